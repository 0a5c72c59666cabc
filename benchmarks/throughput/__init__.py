"""Speed of the parts, beside baselines where they are installed. A suite is a module with `groups()`: see `measure`.

`pipeline`, whose work is whole runs, has `rows()` instead.
"""

SUITES = {
    name: f"benchmarks.throughput.{name}"
    for name in ("offline_rl", "env", "llm_train", "llm_decode", "pretrained", "pipeline")
}
"""Name -> module. `groups()` yields lists of benchmarks that do the same work; each list is measured interleaved."""
