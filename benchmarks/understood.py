"""How often sentences that ask for no goal are taken for goals, and the reverse: `python -m benchmarks.understood`.

The sentences are those of `tests/data`, wordings of CLEVR-Robot's grammar, and its levels. They are planned by the
built-in model before grounding, or with `--run=FOLDER` as that finished run plans them. Takes about three minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np

import kalm_jax as kalm
from kalm_jax.grounding.config import NumericSpec
from kalm_jax.grounding.model import Grounded, GroundedModel, init_params
from kalm_jax.llm.hf.folder import BUILTIN, load_model
from kalm_jax.pipeline.plans import Planner
from kalm_jax.types import LEVELS
from kalm_jax.worlds.base import get_world

DATA = Path(__file__).parents[1] / "tests" / "data"
WORDINGS, SENTENCES = 1000, 100
"""Wordings of the grammar, and sentences of each level at most."""


def built_in_planner() -> Planner:
    """The built-in model as it is before grounding, as the planner of CLEVR-Robot."""
    config, llm, tokenizer = load_model(BUILTIN)
    spec = NumericSpec(1, num_actions=1, mean=(0.0,), std=(1.0,), change_std=(1.0,), hidden=4)
    model, world = GroundedModel(config, spec), get_world("clevr")
    grounded = Grounded(model, {**init_params(model, jax.random.key(0)), "llm": llm}, tokenizer)
    language, references = world.language, world.validation_goals().text
    return Planner(grounded, language.read_plan, references, 128, language.objection)


def sentences() -> Iterator[tuple[str, bool, list[str]]]:
    """(group, whether its sentences ask for goals, sentences)."""
    requests = json.loads((DATA / "requests.json").read_text())
    for name, asks in (("goals", True), ("no goals", False)):
        for kind, texts in requests[name].items():
            yield f"{name}: {kind}", asks, texts
    for name in ("near_goals", "non_goals"):
        for kind, texts in json.loads((DATA / f"{name}.json").read_text()).items():
            yield f"{name.replace('_', ' ')}: {kind}", False, texts
    yield "another author's wordings", True, [w["text"] for w in json.loads((DATA / "wordings.json").read_text())]
    world, rng = get_world("clevr"), np.random.default_rng(5)
    yield "the grammar's wordings", True, [world.language.sample_plan(rng)[0] for _ in range(WORDINGS)]
    for level in LEVELS:
        texts = world.goals(level).text
        yield f"level {level}", True, list(texts)[:: max(1, len(texts) // SENTENCES)]


def errors(planner: Planner, groups: Sequence[tuple[str, bool, list[str]]]) -> Mapping[str, tuple[list[str], int]]:
    """Group -> its sentences that are taken for what they are not, and how many it has."""
    plans = iter(planner.plans([text for _, _, texts in groups for text in texts]))
    found = {name: ([next(plans) for _ in texts], asks) for name, asks, texts in groups}
    return {
        name: ([p.sentence for p in some if p.understood != asks], len(some)) for name, (some, asks) in found.items()
    }


def main() -> None:
    """Prints the errors of each group."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", help="a finished run of CLEVR-Robot; the built-in model where there is none")
    parser.add_argument("--show", action="store_true", help="print the sentences as well")
    args = parser.parse_args()
    try:
        planner = kalm.load_run(args.run).planner if args.run else built_in_planner()
    except (AttributeError, OSError, ValueError) as error:  # AttributeError: a run of kalm offline
        parser.error(f"--run={args.run}: {error}")
    for name, (wrong, count) in errors(planner, list(sentences())).items():
        print(f"{name:32s} {len(wrong):4d} of {count:4d} wrong, {len(wrong) / count:6.1%}")
        for text in wrong if args.show else ():
            print(f"    {text}")


if __name__ == "__main__":
    main()
