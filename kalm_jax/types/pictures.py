"""What a world gives a report to show its rollouts: films, additional figures, and a player for the page."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class Film:
    """One rollout as pictures. F frames of H by W pixels.

    Attributes:
      instruction: the sentence of its goal.
      kind, outcome: who acted, such as "expert" or "imagined", and how it ended, in a few words.
      frames: (F, H, W, 3) uint8.
      steps: (F,) the number of actions made when a frame begins; the first frame of each number is a still.
      milliseconds: (F,) how long each frame is shown, or one number for all.
    """

    instruction: str
    kind: str
    outcome: str
    frames: np.ndarray
    steps: Sequence[int] | np.ndarray
    milliseconds: Sequence[int] | int = 80


def record_film(
    instruction: str,
    kind: str,
    draw: Callable[[], np.ndarray],
    act: Callable[[int], tuple[bool, bool]],
    steps: int,
    stride: int,
) -> Film:
    """A film of an episode that has begun, until its goal, its end or `steps` steps, with a picture every `stride`.

    `draw()` gives a picture (H, W, 3), and `act(step)` acts and tells whether the goal is reached and the episode over.
    """
    frames, times, reached, over, done = [draw()], [0], False, False, 0
    while done < steps and not over:
        reached, over = act(done)
        over, done = over or reached, done + 1
        if done % stride == 0 or over:
            frames.append(draw())
            times.append(done)
    outcome = f"goal reached after {done} steps" if reached else f"goal not reached in {done} steps"
    return Film(instruction, kind, outcome, np.stack(frames), times)


@dataclasses.dataclass(frozen=True)
class NamedFigure:
    """A figure of the report.

    Attributes:
      name: of its file, without folder and extension.
      alternative: what it shows, for readers who do not see it.
      caption: the text below it.
    """

    name: str
    figure: Figure
    alternative: str
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Illustrations:
    """Rollouts of a run in pictures; every part may be empty.

    Attributes:
      films: rollouts to be compared stand next to each other.
      figures: figures that only this world has.
      player: HTML that plays rollouts, with its own style and script; it must load nothing from elsewhere.
    """

    films: Sequence[Film] = ()
    figures: Sequence[NamedFigure] = ()
    player: str = ""
