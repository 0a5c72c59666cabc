"""The whole test suite on the oldest and the newest supported versions: `python -m benchmarks.versions`.

For each it makes a virtual environment with that Python, which must be installed, installs the checkout with the
versions named, and runs the tests. What is done is kept in the folder `--output`, so that the same command goes on
after a stop; `versions.md` has the table. Each takes as long as the README's test command. The workflow `test.yml`
runs the same environments every week.

    python -m benchmarks.versions --only=oldest-3.11,newest-3.13
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from kalm_jax.files import write_json
from kalm_jax.pipeline.source import code_version

ROOT = Path(__file__).parents[1]
OLDEST = "jax==0.7.2 jaxlib==0.7.2 flax==0.11.2 orbax-checkpoint==0.12.4 optax==0.2.8 chex==0.1.90"
"""The oldest supported versions, which Colab has."""
ENVIRONMENTS = {
    "oldest-3.11": ("3.11", OLDEST),
    "oldest-3.12": ("3.12", OLDEST),
    "newest-3.11": ("3.11", "jax"),
    "newest-3.12": ("3.12", "jax"),
    "newest-3.13": ("3.13", "jax"),
}
"""Name -> Python, and what is installed beside the package; the newest jax that this Python can have."""
SHOWN = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "transformers", "gymnasium", "mujoco", "numpy")
"""Packages whose versions the table has."""
XLA_FLAGS = (
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false --xla_cpu_max_isa=SSE4_2 "
    "--xla_cpu_parallel_codegen_split_count=1"
)
"""Programs compile faster and run slower with the first, the second and the last. Without the third, the first two
together give NaN where there is none (jax 0.10.2 with AVX2, CQL's first update; with YNNPACK's fusions off too, so this
is not what `kalm_jax/xla_flags.py` avoids). The last leaves a program whole: pytest's workers take all cores."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How the tests ended in an environment.

    Attributes:
      name, python: of the environment. commit, date: of the run.
      versions: package -> version.
      summary: pytest's last line, such as "3 failed, 2000 passed in 900.00s".
      failed: names of the tests that failed.
    """

    name: str
    python: str
    commit: str
    date: str
    versions: dict[str, str]
    summary: str
    failed: list[str]


def known_flags() -> str:
    """Those of `XLA_FLAGS` that this jaxlib knows; one that it does not know, as in jax 0.12, ends a process."""
    flags = XLA_FLAGS.split()
    while flags:
        asked = {**os.environ, "XLA_FLAGS": " ".join(flags), "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(
            [sys.executable, "-c", "import jax; jax.devices()"], env=asked, capture_output=True, text=True
        )
        unknown = re.findall(r"--\S+", done.stderr.partition("Unknown flag")[2])
        if not unknown:
            break
        flags = [flag for flag in flags if flag not in unknown]
    return " ".join(flags)


def try_environment(name: str, folder: Path, workers: str) -> Outcome:
    """Makes the environment in `folder`, if it is not complete there, and runs the tests in it."""
    python, packages = ENVIRONMENTS[name]
    made, pip = folder / "installed", [str(folder / "bin" / "pip"), "install", "-q"]
    quickly = {**os.environ, "PIP_COMPILE": "0"}
    if not made.exists():
        shutil.rmtree(folder, ignore_errors=True)
        program = shutil.which(f"python{python}")
        if program is None or subprocess.run([program, "--version"], capture_output=True).returncode:
            raise SystemExit(f"{name} needs python{python} in the PATH; install it, or leave it out (--only)")
        subprocess.run([program, "-m", "venv", str(folder)], check=True)
        subprocess.run([*pip, f"{ROOT}[test]", *packages.split()], check=True, env=quickly)
        made.touch()
    # The checkout may have changed since.
    subprocess.run([*pip, "--force-reinstall", "--no-deps", str(ROOT)], check=True, env=quickly)
    asked = [str(folder / "bin" / "pip"), "list", "--format=json"]
    listed = {
        p["name"]: p["version"] for p in json.loads(subprocess.run(asked, check=True, capture_output=True).stdout)
    }
    command = [str(folder / "bin" / "python"), "-m", "pytest", "-q", "-n", workers, "--dist=loadfile", "--tb=short"]
    asked = [str(folder / "bin" / "python"), "-m", "benchmarks.versions", "--flags"]
    flags = subprocess.run(asked, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    log, lines = folder / "tests.log", list[str]()
    with log.open("w") as file:
        tests = subprocess.Popen(
            command,
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "XLA_FLAGS": flags},
        )
        assert tests.stdout is not None
        for line in tests.stdout:
            print(line, end="", flush=True)
            file.write(line)
            lines.append(line.rstrip())
        tests.wait()
    summary, failed = read_tests(lines)
    if not summary or tests.returncode not in (0, 1):
        raise SystemExit(
            f"{name}: pytest ended with {tests.returncode}, and its summary does not count; its output is in {log}"
        )
    versions, today = {p: listed.get(p, "") for p in SHOWN}, str(datetime.date.today())
    return Outcome(name, python, code_version().get("commit", ""), today, versions, summary, failed)


def read_tests(lines: Sequence[str]) -> tuple[str, list[str]]:
    """Pytest's summary line ("" where there is none) and the names of the tests that failed."""
    summary = re.compile(r"(?:=+ )?((?:\d+ \w+(?:, )?)+ in [\d.]+s.*?)(?: =+)?$")
    ends = [found[1] for line in lines if (found := summary.match(line))]
    failed = [found[1] for line in lines if (found := re.match(r"(?:FAILED|ERROR) (\S+)", line))]
    return (ends[-1] if ends else ""), failed


def table(outcomes: Sequence[Outcome]) -> str:
    """A row for each environment, in Markdown."""
    lines = [["environment", "Python", *SHOWN, "tests", "commit, date"]]
    for o in outcomes:
        lines.append([o.name, o.python, *(o.versions[p] for p in SHOWN), o.summary, f"{o.commit}, {o.date}"])
    lines.insert(1, ["---"] * len(lines[0]))
    failed = [f"- {o.name}: `{name}`" for o in outcomes for name in o.failed]
    return "\n".join([*(f"| {' | '.join(cells)} |" for cells in lines), *([""] if failed else []), *failed])


def main() -> None:
    """Tests the environments that have no result yet, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", default=",".join(ENVIRONMENTS), help="names of environments; all of them if not given"
    )
    parser.add_argument("--output", type=Path, default=Path("runs/versions"), help="folder of the environments")
    parser.add_argument("--workers", default="auto", help="pytest's workers")
    parser.add_argument("--flags", action="store_true", help="print the XLA_FLAGS with which tests are faster, and end")
    given = parser.parse_args()
    if given.flags:
        return print(known_flags())
    names = given.only.split(",")
    if wrong := [name for name in names if name not in ENVIRONMENTS]:
        parser.error(f"--only={wrong[0]}: there are {', '.join(ENVIRONMENTS)}")
    outcomes = []
    for name in names:
        file = given.output.resolve() / f"{name}.json"
        if file.exists():
            print(f"{name}: done before; delete {file} to test it again")
        else:
            print(f"{name}: Python {ENVIRONMENTS[name][0]}, {ENVIRONMENTS[name][1]}", flush=True)
            began = time.monotonic()
            outcome = try_environment(name, file.with_suffix(""), given.workers)
            write_json(file, dataclasses.asdict(outcome))
            print(f"{name}: {outcome.summary}; {(time.monotonic() - began) / 60:.0f} minutes with the installation")
        outcomes.append(Outcome(**json.loads(file.read_text())))
    text = table(outcomes)
    (given.output / "versions.md").write_text(f"{text}\n")
    print(text)
    sys.exit(any(o.failed for o in outcomes))


if __name__ == "__main__":
    main()
