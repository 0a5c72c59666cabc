"""Two CPU devices, so that every test also runs the split over devices."""

import jax
import pytest

from kalm_jax.distributed import setup_jax

setup_jax(cpu_devices=2)


@pytest.fixture(autouse=True, scope="module")
def forget_programs():
    """Compiled programs of a file's tests go with it: a process that keeps thousands of them can crash in XLA."""
    yield
    jax.clear_caches()
