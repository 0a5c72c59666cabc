"""Arguments are checked by their annotations: the error names the argument, what came, and what is allowed."""

from __future__ import annotations

import dataclasses
import inspect
import os
import pathlib
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import kalm_jax
from kalm_jax.arguments import COUNT, SEED, checked, real_numbers, text_list
from kalm_jax.datasets import write_rollouts
from kalm_jax.evaluation.gymnasium import Spaces
from kalm_jax.grounding.model import Grounded
from kalm_jax.pipeline.loaded_run import LoadedOfflineRun, LoadedRun
from kalm_jax.pipeline.policies import ActingPolicy
from kalm_jax.settings import Setting
from kalm_jax.types import GoalTable, Rollouts, make_goal_table, stack_episodes, unnamed_goal
from kalm_jax.worlds.clevr.simulator import STATE_DIM, ClevrSimulator
from kalm_jax.worlds.metaworld.simulator import check_actions
from tests.fixtures import random_rollouts

Callback = Callable[[int], None]


@checked(count=COUNT, seed=SEED, level=Setting("", choices=("easy", "hard")))
def use(
    count: int = 1,
    seed: int | None = None,
    share: float = 0.5,
    greedy: bool = True,
    level: str = "easy",
    path: str | pathlib.Path = "",
    data: str | os.PathLike[str] | tuple[int, str] = "",
    rollouts: Rollouts | None = None,
    done: Callback | None = None,
    anything: Any = None,
    **settings: Any,
) -> list[Any]:
    return [count, seed, share, greedy, level, path, data, rollouts, done, anything, settings]


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"count": "8"}, TypeError, "count is '8', want an integer from 1 to 10000000"),
        ({"count": True}, TypeError, "count is True, want an integer"),
        ({"count": 1.0}, TypeError, "count is 1.0, want an integer"),
        ({"count": np.ones(1, int)}, TypeError, r"count is array\(\[1\]\), want an integer"),
        ({"count": None}, TypeError, "count is None, want an integer"),
        ({"count": 0}, ValueError, "count is 0, want an integer from 1"),
        ({"seed": -1}, ValueError, "seed is -1, want an integer from 0"),
        ({"seed": 0.5}, TypeError, "seed is 0.5, want an integer from 0 to 2000000000 or None"),
        ({"share": "x"}, TypeError, "share is 'x', want a finite number"),
        ({"share": float("nan")}, ValueError, "share is nan, want a finite number"),
        ({"greedy": "no"}, TypeError, "greedy is 'no', want True or False"),
        ({"greedy": 1}, TypeError, "greedy is 1, want True or False"),
        ({"level": np.zeros(2)}, TypeError, r"level is array\(\[0., 0.\]\), want one of easy, hard"),
        ({"level": "x"}, ValueError, "level is 'x', want one of easy, hard"),
        ({"level": "\ud800"}, ValueError, r"level has '\\ud800' at place 0, which is no character"),
        ({"path": 5}, TypeError, "path is 5, want a path"),
        ({"path": b"x"}, TypeError, "path is b'x', want a path"),
        ({"path": "a\0b"}, ValueError, r"path is 'a\\x00b': a path has no null character"),
        ({"data": ("x", 1)}, TypeError, r"data is \('x', 1\), want a path or \(int, str\)"),
        ({"rollouts": [1]}, TypeError, r"rollouts is \[1\], want kalm_jax's Rollouts or None"),
        ({"done": 5}, TypeError, "done is 5, want a function or None"),
    ],
)
def test_a_wrong_argument_is_named(given, error, said):
    with pytest.raises(error, match=f"^{said}") as raised:
        use(**given)
    assert "\n" not in str(raised.value)


def test_what_is_allowed_comes_as_a_value_of_python():
    given = use(
        np.int64(3), jnp.asarray(2), np.float32(0.5), np.True_, np.str_("hard"), pathlib.Path("a"), (1, "b"), new=7
    )
    assert given == [3, 2, 0.5, True, "hard", pathlib.Path("a"), (1, "b"), None, None, None, {"new": 7}]
    assert [type(x) for x in given[:4]] == [int, int, float, bool]
    with pytest.raises(TypeError, match=r"evaluate\(\): missing a required argument: 'env'"):
        kalm_jax.evaluate(1)


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (1j * np.ones(2), TypeError, "x is an array of type complex128, want real numbers"),
        (["a"], TypeError, "x is an array of type <U1, want real numbers"),
        (None, TypeError, "x is None, want real numbers"),
        ([[1], [2, 3]], ValueError, "x is no array"),
        ([1.0, np.inf], ValueError, "x has numbers that are not finite"),
        (1e300, ValueError, "x has numbers that are not finite"),
    ],
)
def test_arrays_are_of_real_numbers(value, error, said):
    with pytest.raises(error, match=said):
        real_numbers("x", value)
    assert real_numbers("x", [[True, 2]]).tolist() == [[1.0, 2.0]]


def test_texts_may_be_one_or_several():
    assert text_list("x", np.array("a")) == ["a"]
    with pytest.raises(ValueError, match="x has a null character at place 1, which no file holds"):
        text_list("x", ["b", "a\0"])
    assert text_list("x", "a") == ["a"] and text_list("x", np.array(["a", "b"])) == ["a", "b"]
    for value, error, said in (
        (5, TypeError, "x is 5, want a text"),
        (["a", 5], TypeError, "x is 5, want a text"),
        ([], ValueError, "x is empty"),
        (["\udfff"], ValueError, "is no character"),
    ):
        with pytest.raises(error, match=said):
            text_list("x", value)


def _public() -> list[Any]:
    """Functions that `kalm_jax` exports, and methods with arguments of what they return."""
    exported = [getattr(kalm_jax, name) for name in kalm_jax.__all__]
    functions = [value for value in exported if inspect.isfunction(value)]
    for cls in (LoadedRun, LoadedOfflineRun, ActingPolicy):
        for name, value in vars(cls).items():
            if inspect.isfunction(value) and not name.startswith("_") and len(inspect.signature(value).parameters) > 1:
                functions.append(value)
    return functions


GIVEN = {
    **dict.fromkeys(("algorithm", "dataset", "env", "folder", "name", "sentence", "world"), "x"),
    **{"self": None, "observation": 0, "sentences": "x", "spaces": object.__new__(Spaces)},
    **{"policy": object.__new__(ActingPolicy), "config": object.__new__(kalm_jax.PipelineConfig)},
    **{
        "rollouts": object.__new__(Rollouts),
        "goals": object.__new__(GoalTable),
        "grounded": Grounded(None, None, None),
    },
}
"""Arguments of a right kind."""


@pytest.mark.parametrize("function", _public(), ids=lambda function: function.__qualname__)
def test_every_public_function_checks_each_argument(function):
    """An object of no kind is refused by name wherever an argument's annotation says what it may be."""
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
    given = {p.name: GIVEN[p.name] for p in parameters if p.default is p.empty}
    for parameter in parameters:
        if parameter.name != "self" and not any(x in str(parameter.annotation) for x in ("ndarray", "Sequence")):
            with pytest.raises(TypeError, match=f"^{parameter.name} is <object object"):
                function(**given | {parameter.name: object()})


MASKED = "is a masked array .numpy.ma., want a plain one"


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Rollouts)])
def test_masked_rollouts_are_refused(field, tmp_path):
    rollouts = random_rollouts(num_goals=1)
    wrong = dataclasses.replace(rollouts, **{field: np.ma.masked_invalid(getattr(rollouts, field))})
    for ask in (
        lambda: kalm_jax.train("bc", (wrong, unnamed_goal()), updates=1),
        lambda: write_rollouts(tmp_path / "r.h5", wrong, unnamed_goal()),
    ):
        with pytest.raises(ValueError, match=f": {field} {MASKED}"):
            ask()
    assert not list(tmp_path.iterdir())


def test_masked_arrays_are_refused_everywhere(tmp_path):
    """NumPy's own functions take what stands behind a mask, such as the 1e20 that marks what is missing."""
    table, hidden = unnamed_goal(), np.ma.masked_equal([[1.0, 1e20]], 1e20)
    with ClevrSimulator(1) as simulator:
        for name, ask in {
            "x": lambda: real_numbers("x", hidden),
            "reward": lambda: real_numbers("reward", np.ma.masked),
            "observation": lambda: real_numbers("observation", [hidden[0], hidden[0]]),
            "array": lambda: make_goal_table(["a"], 0, 0, hidden),
            "family": lambda: make_goal_table(["a"], 0, hidden[0], [[1]]),
            "vector": lambda: table.with_vector(hidden),
            "index": lambda: table.take(np.ma.masked_equal([0], 0)),
            "goals: vector": lambda: kalm_jax.train(
                "bc", (random_rollouts(num_goals=1), dataclasses.replace(table, vector=hidden)), updates=1
            ),
            "episode 0: rewards": lambda: stack_episodes([(np.zeros((3, 2)), np.zeros(2), hidden[0], True)]),
            "states": lambda: simulator.push(np.ma.masked_equal(np.zeros((1, STATE_DIM)), 0), np.zeros(1, int)),
            "actions": lambda: simulator.push(np.zeros((1, STATE_DIM)), np.ma.masked_equal([0], 0)),
            "action": lambda: check_actions(np.ma.masked_equal(np.zeros(4), 0), (4,), "action"),
        }.items():
            with pytest.raises(ValueError, match=f"^{name} {MASKED}"):
                ask()
