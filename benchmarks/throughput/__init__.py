"""Speed of the parts, beside baselines where they are installed. A suite is a module with `groups()`: see `measure`.

`pipeline`, whose work is whole runs, has `rows()` instead.
"""

SUITES = {
    name: f"benchmarks.throughput.{name}"
    for name in ("offline_rl", "env", "llm_train", "llm_decode", "pretrained", "pipeline")
}
"""Name -> module. `groups()` yields lists of benchmarks that do the same work; each list is measured interleaved."""

WORDS = {
    "offline_rl": (
        "awac, bc, combo, cql, decision_transformer, iql, td3bc, CLEVR-Robot, Meta-World, HalfCheetah, "
        "discrete actions, continuous, batch, seeds"
    ),
    "env": "CLEVR-Robot, tables, Meta-world, push, episodes, the expert's rollouts",
    "llm_train": "grounding, text, built-in model, rows of",
    "llm_decode": "decoding, width, layers, batch, numbers, words",
    "pretrained": "grounding, SmolLM2-135M, rows of",
}
"""Suite -> the words in the names of its groups, known before anything heavy is imported."""
