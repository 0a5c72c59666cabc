"""Imagining with a grounded language model as a run is configured: subgoal decompositions and rollouts."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from kalm_jax.evaluation.episodes import balanced_goals
from kalm_jax.files import read_json
from kalm_jax.grounding.automaton import Automaton
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.grounding.model import Grounded, GroundedModel
from kalm_jax.imagination.judges import ByReading, ByTest, Judge, Round
from kalm_jax.imagination.rollouts import imagine
from kalm_jax.imagination.subgoals import Subgoal, direct_plans, write_plans
from kalm_jax.imagination.verification import MIN_LOG_PROB, ScoreFn, make_verifier
from kalm_jax.pipeline.artifacts import encoder_stage, met_sentences, planner_stage
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.planner import subgoal_automaton, text_model
from kalm_jax.progress import Progress
from kalm_jax.types import LEVELS, GoalTable, Rollouts, concatenate
from kalm_jax.worlds.base import Subgoals, World, get_world

MOST_OFTEN = 10
"""How often a sentence may be imagined, at most, for each time that it would be if all were imagined alike."""


def goals_to_imagine(rng: np.random.Generator, goals: GoalTable, count: int) -> np.ndarray:
    """(count,) goal indices in random order: families equally often, then sentences equally often within each.

    A family of very few sentences has less than its share, see `MOST_OFTEN`. A single sentence that the language model
    misread as asking for something that no other asks for had half of a level's rollouts.
    """
    families, members = np.unique(goals.family, return_counts=True)
    shares, left = np.zeros(len(families)), 1.0
    for waiting, i in zip(range(len(families), 0, -1), np.argsort(members)):
        shares[i] = min(left / waiting, MOST_OFTEN * members[i] / members.sum())
        left -= shares[i]
    sizes = np.diff(np.round(count * np.cumsum(shares)).astype(int), prepend=0)
    return rng.permutation(balanced_goals(rng, goals.family, families, sizes))


def imagined_goals(config: PipelineConfig, goals: GoalTable, part: str) -> tuple[np.random.Generator, np.ndarray]:
    """The goals of a part, repeated or not, for which a run imagines rollouts, and the generator of what comes next.

    New sentences (`World.new_sentences`) are left out. Families are those of `goals`: of the true goals, or of what
    plans say (`planned_goals`), where sentences of which nothing is known are left out, if there are others.
    """
    count = config.imagine.rephrase if part == "prompts" else getattr(config.imagine, part)
    rng = np.random.default_rng([config.seed, 2, (*LEVELS, "prompts").index(part)])
    if not count:
        return rng, np.zeros(0, int)
    met = met_goals(config, goals, part)
    known = met[np.asarray(goals.family)[met] != UNKNOWN]
    met = known if len(known) else met
    return rng, met[goals_to_imagine(rng, goals.take(met), count)]


def met_goals(config: PipelineConfig, goals: GoalTable, part: str) -> np.ndarray:
    """Numbers of the met sentences of a part."""
    return np.flatnonzero(met_sentences(get_world(config.world), goals, part))


UNKNOWN = -1
"""The family of a sentence of which no plan says what it asks for."""


def planning_model(config: PipelineConfig, grounded: Grounded, run: pathlib.Path | None = None) -> Grounded:
    """The language model that writes subgoals.

    It is that of the stage "planner" of the run in the folder `run`. The built-in model writes them as it was before
    grounding, which costs it some of the words that its text taught it. Any other model that was not given by
    `config.planner` writes them after grounding, which alone taught it what subgoals are.
    """
    if not planner_stage(config):
        return grounded
    if run is None:
        if config.planner.llm:
            raise ValueError("a planner is trained in a run (kalm clevr --planner=...); leave it out here")
        planner = text_model("")
    else:
        planner = load_grounded(run / "planner" / "model")
    if planner.model.config == grounded.model.config and isinstance(grounded.model, GroundedModel):
        return grounded._replace(params={**grounded.params, "llm": planner.params["llm"]})  # one compiled program
    return planner


def sentence_encoder(config: PipelineConfig, run: pathlib.Path) -> Grounded:
    """The language model whose sentence vectors tell policies of goals, of the run in the folder `run`."""
    return load_grounded(run / encoder_stage(config) / "model")


def plans_of(
    config: PipelineConfig,
    grounded: Grounded,
    goals: GoalTable,
    asked: Sequence[int] | np.ndarray | None = None,
    run: pathlib.Path | None = None,
) -> list[list[Subgoal]]:
    """The subgoals by which each goal is imagined: those that the language model writes, or the goal in its own words.

    `asked` are indices, repeated or not, of the goals that are decomposed; None are all. `run` is the folder of the run
    whose planner writes them.
    """
    plans = direct_plans(goals)
    if config.imagine.plan:
        asked = np.arange(len(goals)) if asked is None else np.unique(asked)
        language, planner = get_world(config.world).language, planning_model(config, grounded, run)
        written = write_plans(planner, goals.take(asked), language.read_plan, allowed_answers(config, planner))
        for goal, plan in zip(asked, written, strict=True):
            plans[goal] = plan
    return plans


def allowed_answers(config: PipelineConfig, planner: Grounded) -> Automaton | None:
    """What a planner that a run has trained may answer; None lets the others write anything."""
    language = get_world(config.world).language
    return subgoal_automaton(planner.tokenizer, language.subgoals()) if config.planner.llm else None


def draws_of(config: PipelineConfig, part: str = "") -> int:
    """Continuations among which the best is chosen, for a level or for other goals that are not those of the data.

    It is 1 where a world's states cannot be read, and every action of a step with `search`.
    """
    world = get_world(config.world)
    if not config.imagine.plan or world.language.state_queries is None:
        return 1
    if config.imagine.search:
        return max(1, world.spaces.num_actions)
    return 1 if part == "rephrase" else config.imagine.draws


@dataclasses.dataclass(frozen=True)
class Request:
    """N rollouts to imagine.

    Attributes:
      goals: the sentences, with their true goals, or where there is a `reward` with what the plans say of them
        (`planned_goals`).
      goal: (N,), the number of each rollout's goal. states: (N, D), their first states.
      plans: subgoals of every goal in `goals`.
      label: what the progress bar is called.
      draws: continuations of which the best is kept.
      seed: of everything drawn; None is the run's.
      reward: None lets the goals' own tests end and reward rollouts. Otherwise they are told no goal: `ByReading` ends
        them, with this reward where a goal is reached, and one whose plan is read as done in its first state has
        length 0.
    """

    goals: GoalTable
    goal: np.ndarray
    states: np.ndarray
    plans: list[list[Subgoal]]
    label: str = "imagine"
    draws: int = 1
    seed: int | None = None
    reward: float | None = None


def imagine_rollouts(config: PipelineConfig, grounded: Grounded, request: Request) -> tuple[Rollouts, list[Round]]:
    """The rollouts of a request, in its order, and where it has a `reward` their rounds."""
    world = get_world(config.world)
    read, of_state = reader(grounded, world)
    goals, goal, plans, reward = request.goals, request.goal, request.plans, request.reward
    family = np.asarray(goals.family)[goal]
    steps = np.where(family == UNKNOWN, world.spaces.horizon, world.imagined_steps(np.maximum(family, 0)))
    # An imagined subgoal ends after so many steps; without subgoals the model sees no more steps than in training.
    max_steps = config.imagine.max_steps_per_subgoal if config.imagine.plan else config.ground.window
    if config.imagine.search and request.draws > 1:
        max_steps = 1
    parts, places, rounds = [], [], list[Round]()
    with Progress(request.label, len(goal), unit="rollout") as progress:

        def show(done: int, matched: float) -> None:
            progress.update(done, **{"matched" if reward is None else "read as done": f"{matched:.0%}"})

        for horizon in sorted(set(steps.tolist()), reverse=True):
            place = np.flatnonzero(steps == horizon)
            mine = [plans[g] for g in goal[place]]
            judge: Judge = ByTest(world, goals, mine) if reward is None else ByReading(mine, read, of_state, reward)
            rollouts = imagine(
                grounded,
                goals,
                goal[place],
                request.states[place],
                plans,
                world,
                horizon=horizon,
                max_steps_per_subgoal=max_steps or horizon,
                judge=judge,
                score_fn=read if request.draws > 1 else None,
                draws=request.draws,
                temperature=config.imagine.temperature,
                seed=config.seed if request.seed is None else request.seed,
                progress=show,
            )
            parts.append(rollouts)
            places.append(place)
            if isinstance(judge, ByReading):
                rounds += [dataclasses.replace(r, rollout=int(place[r.rollout])) for r in judge.rounds]
    return concatenate(parts).take(np.argsort(np.concatenate(places))), rounds


def success_reward(real: Rollouts) -> float:
    """The mean reward of a real rollout's last step where it reaches its goal, 1 where none does."""
    over = np.flatnonzero(np.asarray(real.terminated))
    return float(np.mean(real.rewards[over, real.length[over] - 1])) if len(over) else 1.0


def reader(grounded: Grounded, world: World) -> tuple[ScoreFn, Callable[[Subgoal, np.ndarray], bool]]:
    """What reads off states whether subgoals are reached, and whether a single state shows one (see `ByReading`).

    The grounded model reads. In worlds whose states cannot be asked about it is the subgoals' own tests.
    """
    queries = world.language.state_queries
    if queries is None:
        return _by_test(world.satisfied), lambda subgoal, state: True
    return make_verifier(grounded, queries), lambda subgoal, state: queries(subgoal.text, state, state) is not None


def _by_test(satisfied: Callable) -> ScoreFn:
    """A score function by the subgoals' own tests."""

    def score(plans: Sequence[list[Subgoal]], before: np.ndarray, after: np.ndarray) -> np.ndarray:
        scores = np.zeros(len(plans))
        for k in range(max(map(len, plans), default=0)):
            has = np.array([i for i, plan in enumerate(plans) if len(plan) > k])
            family = np.array([plans[i][k].family for i in has], np.int32)
            array = np.array([plans[i][k].array for i in has])
            reached = np.asarray(satisfied(np.maximum(family, 0), array, after[has])) & (family != UNKNOWN)
            scores[has] += np.where(reached, 0.0, MIN_LOG_PROB)
        return scores

    return score


def is_plan(plan: Sequence[Subgoal], text: str, world: World) -> bool:
    """Whether these are subgoals that a language model wrote for a sentence, and not the sentence itself."""
    return [s.text for s in plan] != [text] or bool(world.language.read_plan(text))


def untold(world: World, goals: GoalTable, plans: Sequence[list[Subgoal]]) -> list[list[Subgoal]]:
    """The plans of a table's sentences, without what `plans_of` knows of a sentence that it found no subgoals for.

    Such a sentence stays its own only subgoal, of which nothing says when it is reached.
    """
    nothing = tuple(np.zeros(goals.array.shape[1]).tolist())
    return [
        list(plan) if is_plan(plan, text, world) else [Subgoal(text, UNKNOWN, nothing)]
        for plan, text in zip(plans, goals.text, strict=True)
    ]


def planned_goals(world: World, goals: GoalTable, plans: Sequence[Sequence[Subgoal]], asked: np.ndarray) -> GoalTable:
    """The sentences of a table, those number `asked` with what their plans add up to, whatever they truly ask for.

    The family of the others is `UNKNOWN`, and that of sentences without a plan (`untold`).
    """
    family, array = np.full(len(goals), UNKNOWN, np.int32), np.zeros_like(goals.array)
    found: dict[tuple[str, ...], tuple[int, tuple[float, ...]]] = {}
    for g in np.unique(asked):
        if plans[g][0].family == UNKNOWN:
            continue
        texts = tuple(s.text for s in plans[g])
        if texts not in found:
            found[texts] = world.goal_of_subgoals([(s.text, s.family, s.array) for s in plans[g]])
        family[g], array[g] = found[texts]
    return dataclasses.replace(goals, family=family, array=array)


def written_plans(folder: pathlib.Path, goals: GoalTable, read_plan: Callable[[str], Subgoals]) -> list[list[Subgoal]]:
    """The subgoals by which the rollouts in `folder` were imagined, from its `plans.json`; for others the sentence."""
    texts = read_json(folder / "plans.json", dict)
    direct = direct_plans(goals)
    said = [[] if texts.get(text, [text]) == [text] else read_plan(" and ".join(texts[text])) for text in goals.text]
    return [[Subgoal(*s) for s in plan] or alone for plan, alone in zip(said, direct, strict=True)]
