"""Learners by name, and what their settings may be."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.offline_rl import LEARNERS, BCConfig, Learner, make_learner
from kalm_jax.settings import fields_of

FIELDS = [(name, field) for name, (_, config) in LEARNERS.items() for field in fields_of(config).values()]


def test_unknown_names_are_told():
    with pytest.raises(ValueError, match=r"td4.*awac, bc, combo, cql, decision_transformer, iql, td3bc"):
        make_learner("td4")
    with pytest.raises(ValueError, match="alpha_bc"):
        make_learner("td3bc", alpha_bc=1.0)


@pytest.mark.parametrize("name, field", FIELDS, ids=[f"{name}-{field.name}" for name, field in FIELDS])
def test_wrong_settings_are_refused_by_name(name, field):
    number = field.kind in (int, float)
    wrong = [np.nan, math.inf, "many", "nan"] if number else ["many", 3] if field.kind is not object else []
    if number or (field.kind is tuple and field.entry is int):
        least, most = max(field.low, field.above), min(field.high, field.below)
        assert -math.inf < least < most < math.inf, f"{name}.{field.name} has no bounds"
        beyond = [least - 1, most + 1, -(10**400), 10**400, True, None if not field.optional else "None"]
        wrong += beyond if number else [(8, value) for value in beyond] + [(8.5,), "8", (8, (8,))]
    wrong += [1.5] if field.kind is int else []
    for value in wrong:
        with pytest.raises(ValueError, match=rf"^{name}\.{field.name} is .*, want "):
            make_learner(name, **{field.name: value})


def test_numbers_of_numpy_and_lists_are_kept_as_pythons():
    config = make_learner("td3bc", alpha=np.float32(0.5), batch_size=np.int64(8), hidden=[8, np.int32(4)], tau=1).config
    assert config == make_learner("td3bc", alpha=0.5, batch_size=8, hidden=(8, 4), tau=1.0).config
    kinds = [type(value) for value in (config.alpha, config.batch_size, *config.hidden, config.tau)]
    assert kinds == [float, int, int, int, float] and make_learner("td3bc", alpha=jnp.float32(0.5)).config.alpha == 0.5
    assert Learner("bc", BCConfig(batch_size=8)) == make_learner("bc", batch_size=8)
    with pytest.raises(ValueError, match=r"bc\.learning_rate is -1, want a finite number above 0"):
        Learner("bc", BCConfig(learning_rate=-1.0))


def test_none_is_a_value_where_the_setting_has_it():
    assert make_learner("cql", threshold=10).config.threshold == 10.0
    assert make_learner("cql", threshold=None).config.threshold is None


def test_widths_that_heads_do_not_divide_are_refused():
    with pytest.raises(ValueError, match=r"decision_transformer\.width is 10, want a multiple of heads"):
        make_learner("decision_transformer", width=10, heads=4)


def test_settings_of_a_custom_learner_are_checked_by_what_they_declare(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "learner_for_test").mkdir()
    (tmp_path / "learner_for_test" / "__init__.py").touch()
    (tmp_path / "learner_for_test" / "mine.py").write_text(
        "import dataclasses\nfrom typing import Any\ninit = update = act = None\n"
        "@dataclasses.dataclass(frozen=True)\n"
        "class Config:\n    batch_size: int = 8\n    limit: float = float('inf')\n    anything: Any = None\n"
        "    table: dict = dataclasses.field(default_factory=dict)\n    title: 'Missing' = 'x'\n"
    )
    made = make_learner("learner_for_test.mine", anything=[1], table={"a": 1}, title=3)
    assert dataclasses.asdict(made.config) == {
        "batch_size": 8, "limit": math.inf, "anything": [1], "table": {"a": 1}, "title": 3
    }  # fmt: skip
    assert make_learner("examples.own_learner", weight=2).config.weight == 2.0
    with pytest.raises(ValueError, match=r"examples\.own_learner\.weight is nan, want a finite number from 0"):
        make_learner("examples.own_learner", weight=np.nan)
