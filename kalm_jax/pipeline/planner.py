"""Language models that write subgoals: trained to on sentences and their subgoals, without any rollout.

A planner is a causal language model with LoRA adapters, or all of whose weights are trained, that has seen pairs of a
sentence and its subgoals ("keep the red ball left of the blue ball" -> "red left blue"). It may be any model, another
one than the model that imagines. It answers with subgoals of the world and nothing else: of the tokens that continue
one of them the likeliest is taken (`grounding.automaton`).
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import jax
import numpy as np

from kalm_jax.grounding.automaton import Automaton, one_or_several
from kalm_jax.grounding.config import NO_NUMBERS, TaskShares
from kalm_jax.grounding.decoding import generate_answers
from kalm_jax.grounding.model import Grounded, GroundedModel, change_llms, init_params
from kalm_jax.grounding.tasks import Batches, plan_prompt
from kalm_jax.grounding.trainer import TrainConfig, fit
from kalm_jax.llm.hf.folder import find_folder, load_model
from kalm_jax.llm.lora import LoraConfig, merge
from kalm_jax.llm.lora import init as init_lora
from kalm_jax.llm.tokenizer import Tokenizer
from kalm_jax.llm.transformer import first_layers, unstack_layers
from kalm_jax.pipeline.planner_config import TextTraining
from kalm_jax.progress import Progress
from kalm_jax.types import GoalTable
from kalm_jax.worlds.base import GoalLanguage, World

Pair = tuple[str, str]
"""A sentence and its subgoals, joined by " and "."""
BETWEEN = "and"
"""Stands between two subgoals of a plan."""
CHECKPOINT_STEPS = 20
"""Updates between two checkpoints: a large model takes seconds for each."""


def pairs_of(world: World, goals: GoalTable) -> list[Pair]:
    """Every sentence of a table with its subgoals, "" where the world has none for it."""
    plan = world.language.plan
    return [(t, plan(int(f), a) if plan else "") for t, f, a in zip(goals.text, goals.family, goals.array, strict=True)]


def training_pairs(
    world: World, text: str, sentences: int = 0, seed: int = 0, more: Sequence[Pair] = (), share: float = 0.0
) -> Callable[[np.random.Generator], Pair]:
    """rng -> a sentence and its subgoals to train on.

    Args:
      text: "grammar" for `GoalLanguage.sample_plan`, "data" for the data's own sentences.
      sentences: of the data, so many drawn with `seed`; 0 are all.
      more: pairs of which the share `share` of all that is drawn consists.

    Raises:
      ValueError: the world has none of that text.
    """
    if text == "grammar":
        if world.language.sample_plan is None:
            raise ValueError(f"the world {world.name} has no grammar of wordings and plans; give --planner_text=data")
        return world.language.sample_plan
    pairs = [pair for pair in pairs_of(world, world.goals("offline")) if pair[1]]
    if not pairs:
        raise ValueError(f"the world {world.name} has no subgoals for the data's sentences: leave --planner out")
    if sentences:
        chosen = np.random.default_rng([seed, 1]).choice(len(pairs), min(sentences, len(pairs)), replace=False)
        pairs = [pairs[i] for i in chosen]

    def sample(rng: np.random.Generator) -> Pair:
        if more and rng.random() < share:
            return more[int(rng.integers(len(more)))]
        return pairs[int(rng.integers(len(pairs)))]

    return sample


def fit_planner(
    llm: str,
    sample: Callable[[np.random.Generator], Pair],
    training: TextTraining,
    *,
    seed: int = 0,
    random: bool = False,
    folder: str | pathlib.Path | None = None,
    label: str = "planner",
) -> Grounded:
    """A language model that was trained to write the subgoals of sentences; continues from checkpoints in `folder`.

    Args:
      llm: a Hugging Face folder or a name; "" is the built-in model.
      sample: rng -> a sentence and its subgoals, the training data.
      training: how long and how, see `TextTraining`.
      seed: of adapters, random weights and batches.
      random: begin from random weights instead of the model's.
      label: what the progress line is called.
    """
    scan = bool(llm)
    config, weights, tokenizer = load_model(find_folder(llm), "float32", scan_layers=scan)
    if training.layers:
        config, weights = first_layers(config, weights, training.layers)
    config = dataclasses.replace(config, recompute="cheap")  # rows are few
    model = GroundedModel(config, NO_NUMBERS)
    params = init_params(model, jax.random.key(seed), None if random else weights)
    lora = LoraConfig(training.lora_rank) if training.lora_rank else None
    frozen = params["llm"] if lora else None
    if lora:
        params = change_llms(params, lambda llm: init_lora(jax.random.key(seed), llm, lora))
    batches = Batches(
        None,
        None,
        tokenizer,
        TaskShares().only(("plan",)),
        GoalLanguage(sample_plan=sample),
        NO_NUMBERS,
        rows=training.rows,
        length=training.row_length,
        seed=seed,
    )
    train = TrainConfig(
        training.steps,
        training.learning_rate,
        muon=0.0 if lora else TrainConfig.muon,
        lora=lora,
        log_every=5,
        checkpoint_every=CHECKPOINT_STEPS,
    )
    with Progress(label, training.steps) as progress:
        params, _ = fit(
            model, params, batches, train, folder, progress.update, frozen, donate=True, resume=progress.resume
        )
    if lora and frozen is not None:
        params = change_llms(params, lambda adapters: merge(frozen, adapters, lora, "float32"))
    if scan:
        params = change_llms(params, unstack_layers)
    return Grounded(GroundedModel(dataclasses.replace(config, scan_layers=False), NO_NUMBERS), params, tokenizer)


def answer(
    grounded: Grounded, sentences: Sequence[str], subgoals: Sequence[str] = (), label: str = "subgoals"
) -> list[str]:
    """What the model writes after each sentence; one or several of `subgoals`, where they are given."""
    prompts = [plan_prompt(grounded.tokenizer, sentence) for sentence in sentences]
    return _answers(grounded, prompts, subgoal_automaton(grounded.tokenizer, subgoals, follows=True), label)


def answer_chat(
    grounded: Grounded,
    sentences: Sequence[str],
    examples: Sequence[Pair],
    subgoals: Sequence[str] = (),
    label: str = "prompts",
) -> list[str]:
    """What a model that is no planner answers in its chat format, after examples; see `answer`.

    Raises:
      ValueError: its tokenizer has no chat template.
    """
    tokenizer = grounded.tokenizer
    prompts = [chat_prompt(tokenizer, examples, sentence) for sentence in sentences]
    return _answers(grounded, prompts, subgoal_automaton(tokenizer, subgoals, follows=False), label, batch=16)


def chat_prompt(tokenizer: Tokenizer, examples: Sequence[Pair], sentence: str) -> list[int]:
    """Token ids of a conversation in which examples were answered, up to the answer to a sentence.

    Raises:
      ValueError: the tokenizer has no chat template.
    """
    shown = [{"role": role, "content": text} for pair in examples for role, text in zip(("user", "assistant"), pair)]
    return tokenizer.chat([*shown, {"role": "user", "content": sentence}])


def text_model(llm: str) -> Grounded:
    """A language model as it is, which reads and writes text alone; "" is the built-in one."""
    config, weights, tokenizer = load_model(find_folder(llm), "float32")
    model = GroundedModel(config, NO_NUMBERS)
    return Grounded(model, init_params(model, jax.random.key(0), weights), tokenizer)


def subgoal_automaton(tokenizer: Tokenizer, subgoals: Sequence[str], follows: bool = True) -> Automaton | None:
    """The texts that are one subgoal or several, after other text or where a text begins."""
    if not len(subgoals):
        return None
    pieces = tokenizer.encode_all(list(subgoals), follows=True)
    first = None if follows else tokenizer.encode_all(list(subgoals))
    return one_or_several(pieces, tokenizer.encode(BETWEEN, follows=True), tokenizer.eos_id, first)


def _answers(
    grounded: Grounded, prompts: Sequence[list[int]], automaton: Automaton | None, label: str, batch: int = 64
) -> list[str]:
    with Progress(label, len(prompts), unit="sentence") as progress:
        return generate_answers(
            grounded, prompts, batch=batch, automaton=automaton, by_length=True, progress=progress.update
        )
