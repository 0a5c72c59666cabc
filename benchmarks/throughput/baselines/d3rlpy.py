"""d3rlpy as a baseline: its algorithm of the same name, batches drawn from its own buffer, torch on one thread.

Install it without its pins, which conflict with those of kalm_jax: `pip install --no-deps d3rlpy==2.8.1`, then
what it imports.
"""

from __future__ import annotations

from benchmarks.throughput.measure import MissingError, Prepare
from benchmarks.throughput.problems import Shape, flat_transitions

CONFIGS = {
    ("bc", True): "DiscreteBCConfig",
    ("bc", False): "BCConfig",
    ("td3bc", False): "TD3PlusBCConfig",
    ("cql", True): "DiscreteCQLConfig",
    ("cql", False): "CQLConfig",
    ("awac", False): "AWACConfig",
    ("iql", False): "IQLConfig",
}


def prepare(name: str, shape: Shape, batch: int) -> Prepare:
    """Training of d3rlpy's algorithm of that name, as `Benchmark.prepare`."""

    def ready():
        if (name, shape.discrete) not in CONFIGS:
            raise MissingError(f"it has no {name} for {'discrete' if shape.discrete else 'continuous'} actions")
        try:
            import d3rlpy
            import torch
        except ImportError as error:
            raise MissingError(f"not installed ({error})") from error
        torch.set_num_threads(1)
        arrays = flat_transitions(shape)
        actions = arrays["actions"][:, None] if shape.discrete else arrays["actions"]
        data = d3rlpy.dataset.MDPDataset(
            arrays["observations"], actions, arrays["rewards"], arrays["terminals"], arrays["timeouts"]
        )
        algorithm = getattr(d3rlpy.algos, CONFIGS[name, shape.discrete])(batch_size=batch).create(device="cpu:0")
        algorithm.build_with_dataset(data)

        def run(n):
            for _ in range(n):
                algorithm.update(data.sample_transition_batch(batch))

        return run

    return ready
