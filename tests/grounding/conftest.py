"""Fixtures of the tests of grounding."""

import pytest

from benchmarks.pretrain import train_tokenizer
from tests.grounding.toy import TEXTS


@pytest.fixture(scope="session")
def words():
    return train_tokenizer([f"{t} rollout : goal ." for t in TEXTS] * 3, 330)
