"""The environments are there whichever of Gymnasium and `kalm_jax` is imported first, and however."""

import subprocess
import sys

import pytest

from tests.paths import ROOT

ORDERS = {
    "ours first": "import kalm_jax, gymnasium",
    "Gymnasium first": "import gymnasium, kalm_jax",
    "a part of Gymnasium": "import kalm_jax\nfrom gymnasium.envs.registration import register\nimport gymnasium",
    "ours by make alone": "import gymnasium\ngymnasium.make('kalm_jax:kalm/ClevrRobot-v0')",
    "looked for first": "import importlib.util, kalm_jax\nimportlib.util.find_spec('gymnasium')\nimport gymnasium",
    "in threads": (
        "import concurrent.futures, importlib, kalm_jax\n"
        "with concurrent.futures.ThreadPoolExecutor() as pool:\n"
        "    list(pool.map(importlib.import_module, ['gymnasium'] * 4))\n"
        "import gymnasium"
    ),
    "ours twice": (
        "import sys, kalm_jax\n"
        "for name in [name for name in sys.modules if name.startswith('kalm_jax')]:\n"
        "    del sys.modules[name]\n"
        "import kalm_jax, gymnasium"
    ),
}
CHECK = """
import sys
assert {"kalm/ClevrRobot-v0", "kalm/Metaworld-v0", "kalm/MetaworldReach-v0"} <= set(gymnasium.registry)
assert not any(type(finder).__module__.startswith("kalm_jax") for finder in sys.meta_path)
"""


@pytest.mark.parametrize("order", ORDERS)
def test_the_environments_are_there(order):
    done = subprocess.run([sys.executable, "-c", ORDERS[order] + CHECK], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
