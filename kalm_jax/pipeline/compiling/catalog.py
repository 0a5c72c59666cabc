"""The programs of a job: for each, what the job calls to come to it, with arrays of the job's real shapes.

The calls are those of the stages; `kalm_jax.programs.describe` stops them at the program. Weights are shapes. Rollouts
are a few real ones, repeated to the job's number of them, and stand for imagined ones, too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from kalm_jax.evaluation.llm_policy import BATCH
from kalm_jax.evaluation.policies import LearnerPlayer
from kalm_jax.grounding.decoding import (
    ShardedBatchRunner,
    act,
    encode_goals,
    observe,
    smaller_batch,
    start_episodes,
)
from kalm_jax.grounding.explanation import answer_log_probs, explain, rollout_log_probs
from kalm_jax.grounding.model import Grounded
from kalm_jax.grounding.sequences import RowSequence, align_right
from kalm_jax.grounding.tasks import goal_prompt
from kalm_jax.imagination.subgoals import Subgoal, direct_plans, write_plans
from kalm_jax.llm.hf.config import read_config, write_config
from kalm_jax.llm.hf.folder import BUILTIN, find_folder
from kalm_jax.llm.hf.weights import Sharding, parameter_shapes
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.llm.transformer import LlamaConfig
from kalm_jax.offline_rl import Buffer, Learner, every_end_terminal, state_of
from kalm_jax.offline_rl.trainer import init_states, train
from kalm_jax.pipeline.compiling.targets import ARCHITECTURES
from kalm_jax.pipeline.config import LEARNERS, LLM_POLICY, PipelineConfig
from kalm_jax.pipeline.grounding import LoadedModel, fit_language_model, for_decoding
from kalm_jax.pipeline.imagining import Request, draws_of, goals_to_imagine, imagine_rollouts
from kalm_jax.pipeline.learners import configured_learner, relabel_share
from kalm_jax.pipeline.planner import fit_planner
from kalm_jax.pipeline.planner_config import TextTraining
from kalm_jax.pipeline.stages.learn import mixed_buffer
from kalm_jax.programs import Described, describe, described_for, shape_of
from kalm_jax.sharding import MeshShape, using_mesh_shape
from kalm_jax.types import LEVELS, GoalTable, Rollouts, concatenate_goals, last_steps
from kalm_jax.worlds.base import World, get_world

SAMPLE = 64
"""Real rollouts that are collected; more of them are repetitions."""
LONGEST = 256
"""Sentences that are encoded: the longest ones."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A program of the job.

    Attributes:
      kind: one of `targets.KINDS`. name: in tables. per: what one call does.
      wanted: name of the jitted function. call: what the job calls.
    """

    kind: str
    name: str
    per: str
    wanted: str
    call: Callable[[], Any]

    def describe(self) -> Described:
        """The program, as the job calls it; within `Job.devices`."""
        return describe(self.call, self.wanted)


def architecture_folder(llm: str, folder: pathlib.Path) -> str:
    """What `--llm` is for the job: a known architecture becomes a folder without weights, with the built-in tokenizer.

    Rows that are filled by tokens (a grounding batch) have the same shape with any tokenizer; prompts differ a little.
    """
    if llm not in ARCHITECTURES:
        return str(find_folder(llm)) if llm else ""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = load_tokenizer(BUILTIN)
    tokenizer.save(folder)
    special = {"bos_token_id": tokenizer.bos_id, "eos_token_id": tokenizer.eos_id, "pad_token_id": tokenizer.pad_id}
    write_config(folder, LlamaConfig(**ARCHITECTURES[llm]), special, "bfloat16")
    return str(folder)


def load_shapes(llm: str, dtype: Any, sharding: Sharding | None, scan_layers: bool) -> LoadedModel:
    """As `pipeline.grounding.load_llm`, with shapes instead of weights."""
    folder = find_folder(llm)
    config = dataclasses.replace(read_config(folder), scan_layers=scan_layers)
    kept = json.loads((folder / "config.json").read_text()).get("torch_dtype", "float32")
    kind = jnp.dtype(kept if dtype is None else dtype)

    def shape(path: str, sizes: tuple[int, ...]) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(sizes, kind, sharding=sharding(path, sizes) if sharding else None)

    flat = {path: shape(path, sizes) for path, sizes in parameter_shapes(config).items()}
    return config, traverse_util.unflatten_dict(flat, sep="/"), load_tokenizer(folder)


class Job:
    """A configured job on some devices, and its programs."""

    def __init__(self, config: PipelineConfig, mesh: MeshShape, devices: Sequence[jax.Device], backend: str) -> None:
        """`devices` may be those of a topology; `backend` is JAX's name for them, see `kalm_jax.programs.backend`."""
        self.config, self.mesh, self._devices, self._backend = config, mesh, devices, backend

    @contextlib.contextmanager
    def devices(self) -> Iterator[None]:
        """Within this context programs are described for the job's devices."""
        with described_for(self._devices, self._backend), using_mesh_shape(self.mesh):
            yield

    def entries(self) -> list[Entry]:
        """The programs, in the order of the job."""
        config, g = self.config, self.config.ground
        what = f"LoRA {g.lora_rank}" if g.lora_rank else "all weights"
        parts = f" in {g.accumulate} parts" if g.accumulate > 1 else ""
        ground = f"{g.rows} rows of {g.row_length}{parts}"
        entries = [
            Entry("ground", f"grounding, {what}", f"an update, {ground}", "train_step", self._ground),
            Entry("pretrain", "text pretraining", "an update, 16 rows of 128", "train_step", self._pretrain),
            Entry("encode", "encoding goals", "a batch of 128", "_goal_vectors", self._encode),
        ]
        if self.world.language.plan is not None and config.imagine.plan:
            entries.append(
                Entry("plan", "writing plans", "a batch of 128, prompt and one token", "generate_text", self._plan)
            )
        for part in LEVELS[1:]:
            if getattr(config.imagine, part) and (part == "rephrase" or draws_of(self.config, part) > 1):
                draws = draws_of(self.config, part)
                name = "imagining rollouts" + (f", {draws} draws" if draws > 1 else "")
                call = functools.partial(self._imagine, part)
                entry = Entry("imagine", name, "a batch, prompt and one step", "generate_rollouts", call)
                entries += [entry] * (name not in {e.name for e in entries})
        played = f"{self._policy_batch} episodes"
        entries += [
            Entry(
                "explain", "explaining rollouts", "a batch of 128, prompt and one token", "generate_text", self._explain
            ),
            Entry("score", "likelihood of actions", "a batch of 256", "_action_log_probs", self._likelihood),
            Entry("score", "answers about states", "a batch of 512 (128 on a CPU)", "_last_log_probs", self._answers),
            Entry(LLM_POLICY, "the model in the simulator, first step", played, "start_episodes", self._start),
            Entry(LLM_POLICY, "the model in the simulator, action", played, "act", self._act),
            Entry(LLM_POLICY, "the model in the simulator, next step", played, "observe", self._observe),
        ]
        if not self.spec.num_actions and not self.spec.gaussian_actions:
            entries = [e for e in entries if e.wanted != "_action_log_probs"]
        if self.world.language.describe is None:
            entries = [e for e in entries if e.wanted != "_last_log_probs"]
        if g.llm:  # learners read the vectors of any model
            return [e for e in entries if e.kind != "pretrain"]
        for name in LEARNERS:
            learn = functools.partial(self._learn, name)
            entries.append(
                Entry(name, f"{name}, update", f"an update of {config.learn.seeds} seeds", "_update_sharded", learn)
            )
        for name in LEARNERS:
            play = functools.partial(self._play, name)
            entries.append(Entry(name, f"{name}, action", f"{config.evaluate.episodes} episodes", "_act", play))
        return entries

    # What the programs are called with

    @functools.cached_property
    def world(self) -> World:
        """The job's world."""
        return get_world(self.config.world)

    @functools.cached_property
    def real(self) -> tuple[Rollouts, GoalTable]:
        """Real rollouts, as many as the job collects, and their goals."""
        c = self.config.collect
        count = min(SAMPLE, c.rollouts)
        behavior = c.behavior or self.world.behaviors[0]
        rollouts, goals = self.world.collect(self.config.seed, count, behavior, lambda *_: None)
        return rollouts.take(np.resize(np.arange(len(rollouts)), c.rollouts)), goals

    @functools.cached_property
    def grounded(self) -> Grounded:
        """The grounded model, as it decodes: shapes."""
        step, shapes = self._grounding, jax.ShapeDtypeStruct
        model, params = step.kwargs["model"], step.args[0]
        if self.config.ground.lora_rank:  # merged for decoding, in float32
            _, llm, _ = load_shapes(self.config.ground.llm, "float32", None, model.config.scan_layers)
            params = {**params, "llm": llm}
        params = jax.tree.map(lambda x: shapes(x.shape, x.dtype), params)
        return for_decoding(Grounded(model, params, load_tokenizer(find_folder(self.config.ground.llm))))

    @functools.cached_property
    def _grounding(self) -> Described:
        """The grounding step of an update."""
        with self.devices():
            return describe(self._ground, "train_step")

    @property
    def spec(self) -> Any:
        """What the model knows of numbers, `grounding.config.NumericSpec`."""
        return self.grounded.model.spec

    def _ground(self) -> None:
        fit_language_model(self.config, *self.real, None, load=load_shapes)

    def _pretrain(self) -> None:
        # As `experiments.pretrain` does it, from the built-in model: rows of text, all weights, Muon.
        sample = self.world.language.sample_plan or (lambda rng: ("push the red ball left", "red left"))
        training = TextTraining(rows=16, row_length=128, lora_rank=0)
        fit_planner("", sample, training)

    def _encode(self) -> None:
        texts = sorted((t for level in LEVELS for t in self.world.goals(level).text), key=len)[-LONGEST:]
        encode_goals(self.grounded, texts, by_length=bool(self.config.ground.llm))

    def _plan(self) -> None:
        goals = self.world.goals("unseen_hard")
        write_plans(self.grounded, goals.take(np.arange(min(LONGEST, len(goals)))), self.world.language.read_plan)

    def _imagine(self, part: str) -> None:
        config, language, goals = self.config, self.world.language, self.world.goals(part)
        rng = np.random.default_rng(config.seed)
        goal = goals_to_imagine(rng, goals, getattr(config.imagine, part))
        plans = direct_plans(goals)
        if config.imagine.plan and language.plan is not None:
            for i in np.unique(goal):
                written = language.read_plan(language.plan(int(goals.family[i]), goals.array[i]))
                plans[i] = [Subgoal(*step) for step in written] or plans[i]
        states, _ = self.world.first_states(rng, goals, goal)
        request = Request(goals, goal, states, plans, draws=draws_of(self.config, part))
        imagine_rollouts(config, self.grounded, request)

    def _explain(self) -> None:
        language = self.world.language
        explain(self.grounded, self._shown, language.explanation_prompts[0], language)

    def _likelihood(self) -> None:
        texts = self.real[1].text
        prompts = [goal_prompt(self.grounded.tokenizer, texts[goal]) for goal in self._shown.goal]
        rollout_log_probs(self.grounded, prompts, self._shown)

    def _answers(self) -> None:
        rng, states = np.random.default_rng(0), self.real[0].observations[:, :2]
        describe_state = self.world.language.describe
        assert describe_state is not None
        asked = [pair for before, now in states[:SAMPLE] for pair in describe_state(rng, now, before)[:2]]
        index = np.resize(np.arange(len(asked)), 512)
        answer_log_probs(self.grounded, np.resize(states[:, 1], (512, states.shape[-1])), [asked[i] for i in index])

    @property
    def _shown(self) -> Rollouts:
        """Rollouts that are explained."""
        count = min(self.config.imagine.explained, len(self.real[0]))
        return last_steps(self.real[0].take(slice(0, count)), self.config.ground.window)

    def _start(self) -> Any:
        window = min(self.config.ground.window or self.world.spaces.horizon, self.world.spaces.horizon)
        (model, params, tokenizer), rollouts = self.grounded, self.real[0]
        batch, width = self._policy_batch, self.spec.width
        texts = [self.real[1].text[goal] for goal in np.resize(rollouts.goal, batch)]
        states = np.resize(rollouts.observations[:, 0], (batch, rollouts.observations.shape[-1]))
        prompts = [goal_prompt(tokenizer, text) for text in texts]
        length = -(-(max(map(len, prompts)) + 1) // 8) * 8
        rows = [RowSequence(width).text(p).state(s) for p, s in zip(prompts, states, strict=True)]
        run = ShardedBatchRunner(start_episodes, params, batch)
        return run.on_devices({"rows": align_right(rows, length, width)}, model=model, steps=window - 1)

    def _go_on(self, function: Callable, **led: Any) -> None:
        decoding = jax.tree.map(lambda x: x if isinstance(x, jax.ShapeDtypeStruct) else shape_of(x), self._start())
        batch = self._policy_batch
        led = led or {"keys": jax.random.split(jax.random.key(0), batch)}
        how = {"step": 1, "temperature": 0.0} if function is act else {}
        run = ShardedBatchRunner(function, self.grounded.params, batch)
        run.on_devices(led, decoding=decoding, model=self.grounded.model, **how)

    def _act(self) -> None:
        self._go_on(act)

    def _observe(self) -> None:
        batch, rollouts = self._policy_batch, self.real[0]
        states = np.resize(rollouts.observations[:, 1], (batch, rollouts.observations.shape[-1]))
        self._go_on(
            observe, action=np.resize(rollouts.actions[:, 0], (batch, *rollouts.actions.shape[2:])), state=states
        )

    @property
    def _policy_batch(self) -> int:
        return smaller_batch(BATCH, self.config.evaluate.episodes)

    # Learners

    @functools.cached_property
    def _goals(self) -> GoalTable:
        """The goals of the data and of all novel levels, with goal vectors of the model's width."""
        tables = [self.real[1], *(self.world.goals(level) for level in LEVELS[1:])]
        width = self.grounded.model.config.width
        vectors = (t.with_vector(np.zeros((len(t), width), np.float32)) for t in tables)
        return concatenate_goals(list(vectors))[0]

    def _buffer(self, name: str) -> Buffer:
        """The data of the condition "kalm", as much as the job has if all that it imagines is realistic."""
        config, (real, _) = self.config, self.real
        counts = {part: getattr(config.imagine, part) for part in LEVELS[1:]}
        imagined = {
            part: dataclasses.replace(
                (few := real.take(np.resize(np.arange(min(SAMPLE, len(real))), count))),
                imagined=np.ones(len(few), bool),
            )
            for part, count in counts.items()
            if count
        }
        if config.learn.compat == "kalm":
            real, imagined = every_end_terminal(real), {k: every_end_terminal(r) for k, r in imagined.items()}
        return mixed_buffer(config, self._goals, real, imagined, relabel_share(config, name))

    def _learner(self, name: str) -> Learner:
        return configured_learner(self.config, name)

    def _learn(self, name: str) -> None:
        learner, buffer, learn = self._learner(name), self._buffer(name), self.config.learn
        # As on accelerators, also for the simulated devices of tests.
        spread: dict[str, Any] = {"seed_parallelism": "vmap", "shard_seeds": True}
        train(learner, buffer, list(range(learn.seeds)), learn.updates_of(name), stats=learner.stats(buffer), **spread)

    def _play(self, name: str) -> None:
        learner, buffer, rollouts = self._learner(name), self._buffer(name), self.real[0]
        stats = learner.stats(buffer)
        player = LearnerPlayer(learner, state_of(init_states(learner, stats, [0]), 0), stats)
        episodes = self.config.evaluate.episodes
        states = np.resize(rollouts.observations[:, 0], (episodes, rollouts.observations.shape[-1]))
        goal = np.resize(np.asarray(self._goals.vector), (episodes, self._goals.vector.shape[1]))
        player(0, states, goal, jax.random.key(0))
