"""What a world gives a report to show its rollouts: films, additional figures, and a player for the page."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class Film:
    """One rollout as pictures. F frames of H by W pixels.

    Attributes:
      instruction: the sentence of its goal.
      kind: who acted, in a few words, such as "expert" or "imagined".
      outcome: how it ended, in a few words.
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


@dataclasses.dataclass(frozen=True)
class NamedFigure:
    """A figure of the report.

    Attributes:
      name: of its file, without folder and extension.
      figure: a matplotlib Figure.
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
