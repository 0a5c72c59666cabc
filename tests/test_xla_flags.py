"""The flag with which programs are compiled right on a CPU: where it is needed, where it is set, who may change it."""

import os
import subprocess
import sys

import jax
import jaxlib
import pytest
from jaxlib.version import __version__ as version

from kalm_jax import xla_flags
from kalm_jax.xla_flags import FIRST_AFFECTED, FLAG, SAFE_FLAG, avoid_miscompilation
from tests.paths import ROOT

AFFECTED = tuple(int(part) for part in version.split(".")[:3]) >= FIRST_AFFECTED
affected = pytest.mark.skipif(not AFFECTED, reason="this jaxlib is not affected")

REPRODUCTION = """
import jax, jax.numpy as jnp, numpy as np
rng = np.random.default_rng(0)
found, wanted = [], []
for shape in (4, 3, 3), (2, 64, 64), (16, 64, 64):
    E, X = rng.normal(size=(2, *shape)).astype("float32")
    found.append(jax.jit(jax.vmap(lambda E, X: jnp.sum((E @ jnp.full_like(E, 0.5)) * X)))(E, X))
    wanted.append(np.sum((E.astype(float) @ np.full_like(E, 0.5, dtype=float)) * X, axis=(1, 2)))
# the example of jax issue 39103
i = jnp.arange(32_769, dtype=jnp.float32)
x = jnp.stack((i, jnp.zeros_like(i), jnp.zeros_like(i)), axis=1)
found.append(jax.jit(jax.vmap(lambda row: jnp.sum((jnp.eye(3) @ row) ** 2)))(x))
wanted.append(np.arange(32_769.0) ** 2)
right = all(np.allclose(f, w, rtol=1e-4, atol=1e-3) for f, w in zip(found, wanted))
print("right" if right else "wrong")
"""


def run(code, flags="", **more):
    """What a new process prints, with these flags of XLA."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "PYTHONPATH": str(ROOT), **more}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_installed_jax_is_affected_as_its_version_says():
    """Where this fails with "right", a newer jaxlib is mended: `xla_flags` should say from which version to which."""
    assert run(REPRODUCTION) == ("wrong" if AFFECTED else "right")


@pytest.mark.parametrize(
    "start", ["from kalm_jax.distributed import setup_jax; setup_jax()", "import kalm_jax as k; k.load_run"]
)
def test_programs_of_the_library_compute_right(start):
    assert run(f"{start}\n{REPRODUCTION}") == "right"


@affected
def test_the_flag_is_added_once_to_those_of_the_user_who_may_choose_another():
    code = (
        "import os; from kalm_jax.xla_flags import avoid_miscompilation as add\n"
        "print(bool(add()), bool(add())); print(os.environ['XLA_FLAGS'])"
    )
    other = "--xla_cpu_enable_fast_math=false"
    assert run(code).splitlines() == ["True False", SAFE_FLAG]
    assert run(code, other).splitlines() == ["True False", f"{other} {SAFE_FLAG}"]
    theirs = f"--{FLAG}=+individual_dot"
    assert run(code, theirs).splitlines() == ["False False", theirs]
    assert run(f"from kalm_jax.distributed import setup_jax; setup_jax()\n{REPRODUCTION}", theirs) == "wrong"


@affected
def test_one_line_says_so_before_the_first_progress_and_where_nothing_is_changed_none():
    code = (
        "import sys; sys.stderr = sys.stdout\n"
        "from kalm_jax.distributed import setup_jax; setup_jax(); print('begins')\n"
        "from kalm_jax.progress import Progress\nfor label in 'ab':\n    with Progress(label, 1): pass"
    )
    begins, line, *rest = run(code).splitlines()
    assert begins == "begins" and SAFE_FLAG in line and version in line and "39103" in line
    assert rest and not any(FLAG in line for line in rest)
    assert FLAG not in run(code, SAFE_FLAG)


def test_nothing_changes_where_jax_has_its_devices_already(monkeypatch):
    """It would have no effect, and the cache of programs takes its name from the variable."""
    jax.devices()
    monkeypatch.setenv("XLA_FLAGS", "")
    assert avoid_miscompilation() == "" and os.environ["XLA_FLAGS"] == ""


@pytest.mark.parametrize("old", ["0.7.2", "0.8.0", "0.10.1"])
def test_versions_before_do_not_get_a_flag_that_they_need_not_or_do_not_know(old, monkeypatch):
    monkeypatch.setattr(jaxlib.version, "__version__", old)
    assert run_fresh(monkeypatch) == ""


def test_a_later_version_that_no_longer_knows_the_flag_does_not_get_it(monkeypatch, tmp_path):
    (tmp_path / "libjax_common.so").write_bytes(b"no such flag")
    monkeypatch.setattr(jaxlib, "__path__", [str(tmp_path)])
    monkeypatch.setattr(jaxlib.version, "__version__", "0.14.0.dev20270101")
    assert run_fresh(monkeypatch) == ""
    (tmp_path / "libjax_common.so").write_bytes(FLAG.encode())
    assert "0.14.0.dev" in run_fresh(monkeypatch)


def run_fresh(monkeypatch):
    """What is said in a process that has no flags and no devices yet."""
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setattr(xla_flags, "_has_devices", lambda: False)
    return avoid_miscompilation()
