"""The stages of a run before they begin: what each will do, and about how long it takes on this machine.

A stage's time is its amount times a cost. Costs are CPU seconds on a core that multiplies matrices of 2,000 by 2,000 at
`REFERENCE_GFLOPS`, measured once for each world (`COSTS` of its `presets.py`). They are scaled by the speed that
this machine shows in the first second. Nothing is known about accelerators yet, so there only the amounts are said.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Container, Mapping, Sequence

import jax
import numpy as np

from kalm_jax.cores import available_cores
from kalm_jax.llm.hf.config import read_config
from kalm_jax.llm.hf.folder import BUILTIN, find_folder
from kalm_jax.pipeline.artifacts import IMAGINED, PRIVILEGED
from kalm_jax.pipeline.config import RELABELING, PipelineConfig, presets_module

REFERENCE_GFLOPS = 80.0
"""Speed of the core on which the costs were measured, in float32 Gflop/s."""
MOST_CORES = 4
"""More cores than these speed up small models little."""
SCALING = 0.6
"""Two cores together do 1.5 times what one alone does in these stages, n cores n to this power."""
SEARCHED = {"rephrase": 2, "prompts": 2, "unseen_easy": 8, "unseen_hard": 40}
"""As much work as of so many draws is the search for actions, measured in CLEVR-Robot."""
WIDEST = 576
"""Training takes the less time per weight, the wider a model is, up to this width: wide products fill a core. Measured
with SmolLM2 and LoRA, 240 positions of 12 layers per second and core of 105 Gflop/s."""
LANGUAGE_MODEL = ("ground", "measure", "encode", "imagine", "replayed", "explain", "llm_policy")
"""Kinds of stages whose time grows with the language model."""


@dataclasses.dataclass(frozen=True)
class Planned:
    """A stage that is going to run.

    Attributes:
      name: of the stage, such as "imagine/rephrase". amount: what it does, for the reader.
      seconds: CPU seconds on a reference core; NaN where nobody has measured them.
    """

    name: str
    amount: str
    seconds: float


def plan_stages(config: PipelineConfig, names: Sequence[str]) -> list[Planned]:
    """What the stages `names` of a run will do, and their CPU seconds on a reference core."""
    costs = load_costs(config.world)
    g, p = config.ground, config.planner
    size, planner, encoder = _size(g.llm, g.llm_layers), _size(p.llm, p.layers), config.learn.encoder
    sizes = dict.fromkeys(LANGUAGE_MODEL, size) | {"encode": _size(encoder) if encoder else size}
    planned = []
    for name in names:
        amount, terms = _amounts(config, name)
        seconds = 0.0
        for kind, units in terms.items():
            known = (kind, kind.rpartition("-")[0], kind.partition("/")[0])
            first, each = next((costs[name] for name in known if name in costs), (np.nan, np.nan))
            grows = planner if name == "planner" else sizes.get(kind.partition("/")[0], 1.0)
            if kind == "ground":
                grows *= _narrowness(p.llm if name == "planner" else g.llm)
            seconds += first + grows * each * units
        planned.append(Planned(name, amount, seconds))
    return planned


def _amounts(config: PipelineConfig, name: str) -> tuple[str, Mapping[str, float]]:
    """What a stage does in words, and in units of the costs."""
    c, g, m, i, learn, e = (
        config.collect,
        config.ground,
        config.metrics,
        config.imagine,
        config.learn,
        config.evaluate,
    )
    kind, _, part = name.partition("/")
    if kind == "collect":
        return (f"reads {c.file}", {}) if c.file else (f"{c.rollouts:,} rollouts", {"collect": c.rollouts})
    if kind == "ground":
        measured = -(-g.steps // m.every) * (m.rollouts + m.explained) if m.every else 0
        positions = g.steps * g.rows * g.row_length * (1 + g.two_models)
        text = f"{g.steps:,} updates of {g.rows} x {g.row_length} positions"
        return text, {"ground": positions / 1e6} | ({"measure": measured} if measured else {})
    if kind == "planner":
        p = config.planner
        text = f"{p.steps:,} updates of {p.rows} x {p.row_length} positions" if p.llm else "the built-in model"
        return text, {"ground": p.steps * p.rows * p.row_length / 1e6} if p.llm else {}
    if kind in (IMAGINED, PRIVILEGED):
        count = i.rephrase if part == "prompts" else getattr(i, part)
        if i.search:
            return f"{count:,} rollouts, every action of each step", {f"imagine/{part}": count * SEARCHED[part]}
        several = i.draws > 1 and i.plan and part.startswith("unseen")
        draws = i.draws if several else 1
        return f"{count:,} rollouts" + f", the best of {draws} draws each" * several, {f"imagine/{part}": count * draws}
    if kind == "encoder":
        return "the language model of goal vectors", {}
    if kind in RELABELING:
        return f"pieces of real rollouts for {getattr(i, part):,} sentences", {f"relabel/{part}": getattr(i, part)}
    if kind == "oracle":
        return f"{getattr(i, part):,} real rollouts", {f"oracle/{part}": getattr(i, part)}
    if kind == "replayed":
        return f"{i.replayed:,} rollouts in the simulator", {"replayed": i.replayed}
    if kind == "explain":
        count = i.explained * (1 + i.explanation_draws)
        return f"{i.explained:,} rollouts, {1 + i.explanation_draws} answers to each of two prompts", {"explain": count}
    if kind == "learn":
        algorithm = part.partition("-")[0]  # conditions may have hyphens
        updates = learn.updates_of(algorithm)
        text = f"{learn.seeds} policies of {updates:,} updates"
        return text, {f"learn/{algorithm}-{learn.settings}": updates * learn.seeds}
    if kind == "evaluate":
        level = part.rpartition("-")[2]
        if part.startswith("baselines"):
            played = {f"random/{level}": e.episodes, f"expert/{level}": e.expert_episodes}
            return f"{e.episodes:,} random and {e.expert_episodes:,} expert episodes", played
        kind = "llm_policy" if part.startswith("llm_policy") else "evaluate"
        episodes = learn.seeds * e.episodes * len(set(e.actions))
        return f"{episodes:,} episodes", {f"{kind}/{level}": episodes}
    return "", {kind: 1}


def load_costs(world: str) -> Mapping[str, tuple[float, float]]:
    """Kind of stage -> CPU seconds on a reference core: once, and for each unit of the stage's amount.

    Custom worlds have no costs: their simulators are unknown.
    """
    module = presets_module(world)
    return {} if module is None else module.COSTS


def core_speed(size: int = 1000, seconds: float = 0.3) -> float:
    """Float32 Gflop/s of a product of two matrices for each core that works on it, the best of some tries."""
    x = np.ones((size, size), np.float32)
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.process_time()
        x @ x
        best = min(best, time.process_time() - start)
    return 2 * size**3 / best / 1e9


def _size(llm: str, layers: int = 0) -> float:
    """Weights in the matrices of a language model, of its first `layers`, as a multiple of the built-in model's."""
    sizes = []
    for folder in (find_folder(llm), BUILTIN):
        c = read_config(folder)
        attention = 2 * c.width * c.head_dim * (c.heads + c.kv_heads)
        count = layers or c.layers if folder != BUILTIN else c.layers
        sizes.append(count * (attention + 3 * c.width * c.ffn_dim) + c.vocab_size * c.width)
    return sizes[0] / sizes[1]


def _narrowness(llm: str) -> float:
    """Time that training takes per weight, as a multiple of the built-in model's."""
    widths = [read_config(folder).width for folder in (BUILTIN, find_folder(llm))]
    return widths[0] / min(widths[1], WIDEST)


class Schedule:
    """How far a run is, in stages and in time.

    Args:
      planned: all stages, in order. finished: the names of those that an earlier call has finished.
      speed: reference cores that this machine is worth; NaN where nothing is known about it.
    """

    def __init__(self, planned: Sequence[Planned], finished: Container[str], speed: float) -> None:
        self.planned, self.speed = planned, speed
        self._open = {stage.name: stage.seconds / speed for stage in planned if stage.name not in finished}
        self._spent, self._expected = 0.0, 0.0  # seconds on stages that this call has finished

    def table(self) -> str:
        """A line for each kind of stage: what it does, and about how long it will take."""
        kinds = {kind: [s for s in self.planned if s.name.partition("/")[0] == kind] for kind in self._kinds()}
        lines = []
        for kind, stages in kinds.items():
            left = [self._open[stage.name] for stage in stages if stage.name in self._open]
            what = stages[0].amount if len(stages) == 1 else f"{len(stages)} stages"
            lines.append(f"  {kind:<9} {what:<66} {duration(sum(left)) if left else 'done before'}".rstrip())
        return "\n".join(lines)

    def total(self) -> str:
        """How long all stages that are not finished will take, such as "about 9 min"; "" where it is unknown."""
        return duration(sum(self._open.values()))

    def position(self, name: str) -> str:
        """How far the run is when the stage begins, such as "[3/27, about 6 min left]"."""
        number = [stage.name for stage in self.planned].index(name) + 1
        slower = self._spent / self._expected if self._expected > 30 else 1.0
        left = duration(slower * sum(self._open.values()))
        return f"[{number}/{len(self.planned)}{f', {left} left' if left else ''}]"

    def finish(self, name: str, seconds: float) -> None:
        """Notes that a stage is finished, for which this call worked some seconds."""
        expected = self._open.pop(name, 0.0)
        if np.isfinite(expected) and expected:
            self._spent, self._expected = self._spent + seconds, self._expected + expected

    def _kinds(self) -> list[str]:
        return list(dict.fromkeys(stage.name.partition("/")[0] for stage in self.planned))


def duration(seconds: float) -> str:
    """A rough time, such as "about 40 s" or "about 7 min"; "" where it is unknown."""
    if not np.isfinite(seconds):
        return ""
    if seconds < 90:
        return f"about {max(5, round(seconds / 5) * 5)} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def machine() -> tuple[float, str]:
    """Reference cores that this machine is worth, NaN on accelerators; and the machine in words."""
    kind = jax.devices()[0].device_kind
    if jax.default_backend() != "cpu":
        return np.nan, f"{jax.device_count()} x {kind}; times are known for CPUs only"
    cores, speed = available_cores(), core_speed()
    named = f"{cores} core{'s' * (cores > 1)} of {speed:.0f} float32 Gflop/s"
    return min(cores, MOST_CORES) ** SCALING * speed / REFERENCE_GFLOPS, named
