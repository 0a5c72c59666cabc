"""How often the planner writes the right subgoals: `python -m benchmarks.plans`.

The sentences are those of CLEVR-Robot's levels and of two lists by authors who had seen nothing of this library,
`tests/data/wordings.json` and `wordings_2.json`, by kind. Subgoals are right where they ask for the same relations and
moves as the sentence: "red left blue" is "blue right red". They are written by the built-in model before grounding, or
by another one that `python -m experiments.pretrain` made, `--llm=FOLDER`. Takes about a minute.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import jax
import numpy as np

from kalm_jax.evaluation import wilson_interval
from kalm_jax.grounding.config import NumericSpec
from kalm_jax.grounding.decoding import generate_answers
from kalm_jax.grounding.model import Grounded, GroundedModel, init_params
from kalm_jax.grounding.tasks import plan_prompt
from kalm_jax.llm.hf.folder import BUILTIN, load_model
from kalm_jax.types import LEVELS
from kalm_jax.worlds.clevr import text
from kalm_jax.worlds.clevr.goals import RELATION
from kalm_jax.worlds.clevr.instructions import goal_summary, sentences

DATA = Path(__file__).parents[1] / "tests" / "data"
LISTS = ("wordings", "wordings_2")
SENTENCES = 300
"""Sentences of each level at most, evenly spread over it."""


def meaning(plan: str) -> frozenset[str]:
    """What the subgoals of a plan ask for, in a form that a relation shares with its mirror image."""
    return frozenset(
        goal_summary(family, np.array(goal)) if family == RELATION else words
        for words, family, goal in text.read_plan(plan)
    )


def groups() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(name, (sentence, right plan) of each)."""
    for level in LEVELS:
        every = sentences(level)
        some = every[:: max(1, len(every) // SENTENCES)]
        yield f"level {level}", [(s.text, text.plan(s.family, np.array(s.goal))) for s in some]
    for name in LISTS:
        found = json.loads((DATA / f"{name}.json").read_text())
        yield name, [(w["text"], w["plan"]) for w in found]
        for kind in sorted({w["kind"] for w in found}):
            yield f"{name}, {kind}", [(w["text"], w["plan"]) for w in found if w["kind"] == kind]


def right(write: Callable[[Sequence[str]], Sequence[str]]) -> Iterator[tuple[str, list[str], int]]:
    """(group, its sentences whose plan is wrong, how many it has); `write` makes plans of sentences."""
    for name, rows in groups():
        plans = write([sentence for sentence, _ in rows])
        wrong = [s for (s, plan), said in zip(rows, plans, strict=True) if meaning(said) != meaning(plan)]
        yield name, wrong, len(rows)


def model_in(folder: str | Path) -> Callable[[Sequence[str]], Sequence[str]]:
    """What the language model in a folder writes after sentences, before it is grounded."""
    config, llm, tokenizer = load_model(folder)
    model = GroundedModel(config, NumericSpec(1, num_actions=1, mean=(0.0,), std=(1.0,), change_std=(1.0,), hidden=4))
    grounded = Grounded(model, {**init_params(model, jax.random.key(0)), "llm": llm}, tokenizer)
    return lambda texts: generate_answers(grounded, [plan_prompt(tokenizer, sentence) for sentence in texts])


def main() -> None:
    """Prints the share of right plans of each group."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--llm", help="folder of a language model; the built-in one where there is none")
    parser.add_argument("--show", action="store_true", help="print the sentences with wrong plans as well")
    args = parser.parse_args()
    try:
        write = model_in(args.llm or BUILTIN)
    except (OSError, ValueError) as error:
        parser.error(f"--llm={args.llm}: {error}")
    for name, wrong, count in right(write):
        low, high = wilson_interval(count - len(wrong), count)
        print(
            f"{name:32s} {count - len(wrong):4d} of {count:4d}  {1 - len(wrong) / count:6.1%} [{low:.1%}, {high:.1%}]"
        )
        for sentence in wrong if args.show else ():
            print(f"    {sentence}")


if __name__ == "__main__":
    main()
