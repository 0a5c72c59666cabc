"""Does CLEVR-Robot's simulator agree with recorded rollouts?

    kalm replay FILE --tolerance=1e-5

FILE is in the KALM authors' format, a dictionary pickled into an .npy file (read without running anything in it). Every
recorded full state is stepped once and compared with what was recorded. Exits with 0 if the worst coordinate error is
within the tolerance, with 1 if it is not, with 2 if the file cannot be read.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import NamedTuple

import numpy as np

from kalm_jax.cli.flags import Flag, flags_of, made, parse
from kalm_jax.datasets import safe_pickle
from kalm_jax.datasets.arrays import of_dictionary, yes_or_no
from kalm_jax.files import require_file
from kalm_jax.settings import Checked, setting
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import rewards as clevr_rewards
from kalm_jax.worlds.clevr.simulator import NUM_ACTIONS, OBSERVATION_DIM, STATE_DIM, ClevrSimulator, observation_of

_QUANTILES = {"median": 0.5, "95%": 0.95, "99%": 0.99, "max": 1.0}
_WIDTHS = {
    **{"states": STATE_DIM, "observations": OBSERVATION_DIM, "next_observations": OBSERVATION_DIM},
    **{"actions": 1, "masks": 1, "rewards": 1, "terminals": 1, "goals": 0},
}
"""Field -> numbers of a step; 0 for any."""


@dataclasses.dataclass(frozen=True)
class ReplaySettings(Checked):
    """What passes."""

    tolerance: float = setting(1e-5, "Largest coordinate error in meters that passes.", low=0, high=10)


class ReplayResult(NamedTuple):
    """What a replay measured.

    Attributes:
      num_transitions: recorded steps that were replayed.
      error: (num_transitions,) worst coordinate error of each in meters.
      reward_agreement, termination_agreement: shares of the recorded steps, 0..1; rewards agree within 1e-3.
    """

    num_transitions: int
    error: np.ndarray
    reward_agreement: float
    termination_agreement: float


def load_recorded(path: str) -> dict[str, np.ndarray]:
    """The fields that a replay needs, checked, with leading axes (N, T); also "family" (N,) and "goal" (N, 9).

    Raises OSError where the file cannot be opened and ValueError where a field is missing, misshapen or not finite.
    """
    data = safe_pickle.load(require_file(path))
    if not isinstance(data, dict):
        raise ValueError(f"{path} holds a {type(data).__name__}, want the authors' dictionary of arrays")
    missing = [key for key in _WIDTHS if key not in data]
    if missing:
        raise ValueError(f"{path} has no {', '.join(missing)}; it has {', '.join(map(str, data))}")
    fields = dict(of_dictionary(path, {key: data[key] for key in _WIDTHS}))
    n, t = fields["states"].shape[:2] if fields["states"].ndim == 3 and len(fields["states"]) else (-1, -1)
    for key, width in _WIDTHS.items():
        value = fields[key]
        if value.dtype.kind not in "biuf":
            raise ValueError(f"{path}: {key} has type {value.dtype}, want numbers")
        steps = value[..., None] if width == 1 and value.ndim == 2 else value
        if steps.ndim != 3 or steps.shape[:2] != (n, t) or width not in (0, steps.shape[2]):
            raise ValueError(
                f"{path}: {key} has shape {value.shape}, want (rollouts, steps, {width or 'goal entries'})"
            )
        if width == 1:
            fields[key] = value.reshape(n, t)
    valid = fields["masks"] = yes_or_no(path, "masks", fields["masks"])
    fields["terminals"] = yes_or_no(path, "terminals", np.where(valid, fields["terminals"], 0))
    if not valid.any():
        raise ValueError(f"{path}: masks mark no step as recorded, so there is nothing to replay")
    for key, value in fields.items():
        bad = valid & ~np.isfinite(value.reshape(n, t, -1)).all(-1)
        if bad.any():
            raise ValueError(f"{path}: {key}{np.argwhere(bad)[0].tolist()} (rollout, step) is not finite")
    actions = fields["actions"]
    bad = valid & ((actions < 0) | (actions >= NUM_ACTIONS) | (actions != np.floor(actions)))
    if bad.any():
        at = tuple(np.argwhere(bad)[0])
        raise ValueError(f"{path}: actions{[int(i) for i in at]} is {actions[at]}, want 0..{NUM_ACTIONS - 1}")
    return fields | _read_goals(path, fields["goals"][:, 0])


def _read_goals(path: str, vectors: np.ndarray) -> dict[str, np.ndarray]:
    """Family (N,) and goal array (N, 9) of the authors' goal vectors, one for each rollout."""
    families, goals = [], []
    for rollout, vector in enumerate(vectors):
        try:
            family, goal = clevr_goals.from_authors(vector)
        except ValueError as error:
            raise ValueError(f"{path}: goals[{rollout}]: {error}") from error
        families.append(family)
        goals.append(goal)
    return {"family": np.array(families), "goal": np.stack(goals)}


def replay(fields: dict[str, np.ndarray], simulator: ClevrSimulator) -> ReplayResult:
    """Steps the simulator once from every recorded state of `load_recorded`'s fields and compares."""
    valid = fields["masks"].astype(bool)
    rollout = np.nonzero(valid)[0]
    family, goal = fields["family"][rollout], fields["goal"][rollout]
    observation, following = fields["observations"][valid], fields["next_observations"][valid]
    actions = fields["actions"][valid].astype(np.int64)
    after = observation_of(simulator.push(fields["states"][valid], actions))
    judged = (family, goal, observation, actions, following)
    reward_error = np.abs(clevr_rewards.reward(*judged) - fields["rewards"][valid])
    same_end = clevr_goals.success(*judged) == fields["terminals"][valid].astype(bool)
    return ReplayResult(
        num_transitions=len(after),
        error=np.abs(after - following).max(-1),
        reward_agreement=float((reward_error < 1e-3).mean()),
        termination_agreement=float(same_end.mean()),
    )


def run(path: str, tolerance: float) -> int:
    """Replays a file, prints the result, and returns the exit status (module docstring)."""
    try:
        fields = load_recorded(path)
        with ClevrSimulator() as simulator:
            result = replay(fields, simulator)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    quantiles = ", ".join(f"{name} {np.quantile(result.error, q):.2e}" for name, q in _QUANTILES.items())
    print(
        f"{result.num_transitions} transitions\n"
        f"worst coordinate error in meters: {quantiles}\n"
        f"rewards that agree: {result.reward_agreement:.2%}\n"
        f"terminations that agree: {result.termination_agreement:.2%}"
    )
    worst = float(result.error.max())
    if worst > tolerance:
        print(f"error: the worst error {worst:.2e} m is beyond the tolerance {tolerance:.2e} m", file=sys.stderr)
        return 1
    print(f"within the tolerance of {tolerance:.2e} m")
    return 0


def flags() -> list[Flag]:
    """The flags of the command."""
    return flags_of(ReplaySettings, "replay")


def main(argv: list[str]) -> None:
    """Runs the command with the given arguments."""
    given = parse(flags(), argv, ("FILE",))
    sys.exit(run(given["FILE"], made(ReplaySettings, given).tolerance))
