"""A small grounding and decoding job, run by the tests with other devices and processes than pytest's own.

python -m tests.parallel_job OUTPUT.npz DEVICES MESH [HOSTS]
"""

import dataclasses
import pathlib
import sys

import jax
import numpy as np

from kalm_jax.distributed import is_main_process, setup_jax
from kalm_jax.evaluation.llm_policy import PlanPolicy, WordsPolicy
from kalm_jax.grounding import decoding as decode
from kalm_jax.grounding import trainer as train
from kalm_jax.grounding.config import TaskShares
from kalm_jax.grounding.model import Grounded, GroundedModel, init_params, numeric_spec
from kalm_jax.grounding.sequences import RowSequence, align_right
from kalm_jax.grounding.tasks import Batches
from kalm_jax.imagination.subgoals import Subgoal
from kalm_jax.llm import lora
from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.llm.lora import LoraConfig
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.llm.transformer import LlamaConfig, unstack_layers
from kalm_jax.offline_rl import grid, make_buffer, make_learner
from kalm_jax.offline_rl import trainer as learn
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.sharding import gather, param_shardings
from kalm_jax.types import Episodes, Rollouts, make_goal_table
from kalm_jax.worlds.base import GoalLanguage

STEPS, STOP = 5, 3
TEXTS = ["push the red ball left", "push the blue ball right"]
GOALS = make_goal_table(TEXTS, 0, 0, np.array([[0], [1]]))
LORA = LoraConfig(rank=2)


def rollouts(n=24, horizon=4):
    """Random rollouts of three numbers and three actions."""
    rng = np.random.default_rng(0)
    actions = rng.integers(0, 3, (n, horizon)).astype(np.int32)
    obs = np.cumsum(rng.normal(size=(n, horizon + 1, 3)), axis=1).astype(np.float32)
    ones, zeros = np.ones(n, bool), np.zeros((n, horizon), np.float32)
    return Rollouts(obs, actions, zeros, np.full(n, horizon, np.int32), ones, np.arange(n, dtype=np.int32) % 2, ~ones)


def problem():
    """Model (stacked layers), its first parameters and batches of 8 rows."""
    data, words = rollouts(), load_tokenizer(BUILTIN)
    config = LlamaConfig(words.vocab_size, 16, 2, 4, 2, 8, 32, tie_embeddings=False, qkv_bias=True, scan_layers=True)
    model = GroundedModel(config, numeric_spec(data, 3, hidden=16))
    batches = Batches(
        data,
        GOALS,
        words,
        TaskShares(),
        GoalLanguage(document=lambda rng: "red ball"),
        model.spec,
        rows=8,
        length=48,
        seed=0,
    )
    return model, gather(init_params(model, jax.random.key(0))), batches


def settings(with_lora: bool, **options) -> train.TrainConfig:
    """Full fine-tuning with Muon in two parts per batch, or LoRA with Adam; a checkpoint at STOP. Any `options` too."""
    kind = {"lora": LORA, "muon": 0.0} if with_lora else {"accumulate": 2}
    return train.TrainConfig(STEPS, log_every=1, checkpoint_every=STOP, **kind, **options)


def ground(folder, with_lora=False, stop=False, **options):
    """Trained parameters and losses; continues what is in `folder`, or with `stop` ends after the checkpoint.

    `options` are of `TrainConfig`.
    """
    model, params, batches = problem()
    frozen = params["llm"] if with_lora else None
    if with_lora:
        params = {**params, "llm": gather(lora.init(jax.random.key(1), params["llm"], LORA))}

    def die(step, **_):
        if stop and step > STOP:
            raise InterruptedError

    try:
        return train.fit(model, params, batches, settings(with_lora, **options), folder, die, frozen)
    except InterruptedError:
        return None


def never(family, goal, state, action, next_state):
    """A goal that is not reached."""
    return state[:, 0] > 1e9


def decoder():
    """The untrained model as it decodes (layers on their own), its parameters and its tokenizer."""
    model, params, _ = problem()
    model = GroundedModel(LlamaConfig(**{**vars(model.config), "scan_layers": False}), model.spec)
    return Grounded(model, {**params, "llm": unstack_layers(params["llm"])}, load_tokenizer(BUILTIN))


def acted() -> dict:
    """What the untrained model does in three given states of three episodes, in their words and by plans."""
    states = np.random.default_rng(4).normal(size=(3, 3, 3)).astype(np.float32)
    episodes = Episodes(states[0], np.array([0, 1, 0], np.int32), GOALS)
    plans = [[Subgoal(text, 0, (i,))] for i, text in enumerate(TEXTS)]
    by_words = WordsPolicy(decoder(), 0, 1.0, 3, np.asarray)
    by_plan = PlanPolicy(decoder(), plans, lambda family, goal, state: state[:, 0] > 1e9, 0, 1.0, 2, np.asarray)
    policies, active = {"words": by_words, "plan": by_plan}, np.ones(3, bool)
    return {name: np.stack([p(episodes, states[t], active, t) for t in range(3)]) for name, p in policies.items()}


def decoded() -> dict:
    """What the untrained model decodes: rollouts, words and goal vectors."""
    grounded = decoder()
    first = np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)
    prompts = align_right([RowSequence(3).text([1, 5 + i]).state(s) for i, s in enumerate(first)], 4, 3)
    zeros = np.zeros((8, 1), np.int32)
    keys = jax.random.split(jax.random.key(2), 8)
    run = decode.ShardedBatchRunner(decode.generate_rollouts, grounded.params, 8)
    inputs = {"prompts": prompts, "state": first, "family": zeros[:, 0], "goal": zeros, "keys": keys}
    states, actions, *_ = run(inputs, temperature=1.0, model=grounded.model, stop=never, horizon=3)
    said = decode.generate_answers(grounded, [[1, 5 + i] for i in range(8)], limit=6, batch=8)
    goals = decode.encode_goals(grounded, TEXTS, batch=8)
    return {"states": states, "actions": actions, "said": np.array(said), "goals": goals}


def watch():
    """Notes how the training state lies after every step, and that nothing is compiled twice."""
    step, seen = train.train_step, []

    def watched(params, opt_state, *args, **options):
        params, opt_state, metrics = step(params, opt_state, *args, **options)
        state = {"params": params, "opt": opt_state}
        mesh = jax.tree.leaves(params)[0].sharding.mesh
        same = jax.tree.map(lambda x, s: x.sharding.is_equivalent_to(s, x.ndim), state, param_shardings(mesh, state))
        assert all(jax.tree.leaves(same)), same
        leaves = jax.tree.leaves(state)
        seen.append(sum(x.addressable_data(0).nbytes for x in leaves) / sum(x.nbytes for x in leaves))
        return params, opt_state, metrics

    train.train_step = watched
    return step, seen


def flat(tree) -> dict:
    """Path -> array."""
    return {jax.tree_util.keystr(path): x for path, x in jax.tree_util.tree_leaves_with_path(tree)}


def learned(folder) -> dict:
    """Behaviour cloning of three seeds with two settings, continued from its checkpoint: states and losses."""
    learner, options = make_learner("bc", hidden=(8,), batch_size=8), {"updates_per_call": 4, "seed_parallelism": "map"}
    goals, sweep = GOALS.with_vector(np.eye(2, dtype=np.float32)), grid(learning_rate=(1e-3, 1e-2))
    buffer = make_buffer([(rollouts(), 1.0)], goals, 3)
    for updates in (4, 8):
        state, curve = learn.train(learner, buffer, [3, 4, 5], updates, sweep=sweep, checkpoint_dir=folder, **options)
    state = jax.tree.map(np.asarray, dataclasses.replace(state, key=jax.random.key_data(state.key)))
    return {f"learned{k}": v for k, v in flat(state).items()} | {"curve": np.array([row["value"] for row in curve])}


def staged(folder) -> dict:
    """What this process was called for in two stages, one of the writer's and one of all, and what it said."""
    calls, said = [], []
    for _ in range(2):
        run = RunFolder(folder, say=said.append)
        run.stage("alone", {}, [], lambda f: (f / "out").write_text(str(calls.append("alone"))))
        run.stage("together", {}, ["alone"], lambda f: calls.append("together"), together=True)
        assert (folder / "alone" / "out").exists()
    return {"calls": np.array(calls), "said": np.array(said)}


def main(output, devices, mesh, parts, hosts=""):
    setup_jax(int(devices), mesh=mesh, hosts=hosts)
    output, found = pathlib.Path(output), {}
    step, seen = watch()
    for name in [part for part in ("full", "lora") if part in parts]:
        ground(output.parent / f"{name}-stopped", name == "lora", stop=True)
        if "resumed" in parts:
            params, curve = ground(output.parent / f"{name}-stopped", name == "lora")
        else:
            params, curve = ground(None, name == "lora")
        found |= {f"{name}{k}": v for k, v in flat(params).items()}
        found[f"{name}-loss"] = np.array([row["loss"] for row in curve])
    found["share"], found["compiled"] = np.array(seen), np.array(step._cache_size())
    if "words" in parts:
        # Five positions at a time, or ten of half of the words.
        params, curve = ground(None, max_logits=5 * load_tokenizer(BUILTIN).vocab_size)
        found |= {f"words{k}": v for k, v in flat(params).items()}
        found["words-loss"] = np.array([row["loss"] for row in curve])
    if "decode" in parts:
        found |= decoded()
    if "act" in parts:
        found |= acted()
    if "learn" in parts:
        found |= learned(output.parent / "learned")
    if "stages" in parts:
        np.savez(output.parent / f"stages-{jax.process_index()}.npz", **staged(output.parent / "run"))
    if is_main_process():
        np.savez(output, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
