"""Runs a problem with the torch implementation. `python -m tests.offline_rl.parity.oracle` writes tests/golden again.

That needs torch: `pip install -e ".[test,parity]"`.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tests.offline_rl.parity.problems import PROBLEMS, Problem, make_problem, td3bc_noise, weights
from tests.paths import GOLDEN

GOLDEN_UPDATES = 40


def run_torch(problem: Problem):
    """(final weights by name, metrics of every update as {name: (T,)}, NaN where an update has none)."""
    import torch

    from tests.offline_rl.parity.torch_learners import make_learner

    torch.set_num_threads(1)
    learner = make_learner(problem.learner.name, problem.learner.config, problem.stats, weights(problem.state))
    rows = []
    for t, batch in enumerate(problem.batches):
        fields = {f.name: getattr(batch, f.name) for f in dataclasses.fields(batch)}
        noise = {"target": td3bc_noise(problem, t)} if problem.learner.name == "td3bc" else problem.noise[t]
        rows.append(learner.update({k: v for k, v in fields.items() if v is not None}, noise))
    names = sorted({name for row in rows for name in row})
    return learner.arrays(), {k: np.array([row.get(k, np.nan) for row in rows]) for k in names}


def main():
    import jax

    jax.config.update("jax_enable_x64", True)
    GOLDEN.mkdir(exist_ok=True)
    for name in PROBLEMS:
        final, metrics = run_torch(make_problem(name, GOLDEN_UPDATES, np.float64))
        arrays = {f"weight:{k}": v for k, v in final.items() if not k.startswith("target_")}
        np.savez_compressed(GOLDEN / f"{name}.npz", **arrays, **{f"metric:{k}": v for k, v in metrics.items()})
        print(f"{name}: {(GOLDEN / f'{name}.npz').stat().st_size} bytes")


if __name__ == "__main__":
    main()
