"""What a language model knows of words, measured apart from the grammar of the built-in model's pretraining.

Every condition turns sentences of the novel levels into subgoals. Its templates are none of those that it was trained
on. Conditions:

  pretrained        the language model, fine-tuned with LoRA on the data's own sentences and their subgoals alone
  pretrained-moves  the same, and a few single moves; their templates are left out of the test
  random            the built-in model's architecture from random weights, on the data's own sentences; random-moves
  grammar           the built-in model as it ships, whose pretraining text has a grammar's wordings and their plans
  pretrained-grammar  the language model, fine-tuned with LoRA on the grammar's wordings and plans
  prompt            the language model as it is, asked through its chat template with a few examples
  nearest           the subgoal of the data's sentences whose mean vector is nearest to the sentence's; nearest-builtin
  probe             a linear map from sentence vectors to subgoals, fitted on the data's sentences; probe-builtin

A condition answers with subgoals and nothing else ("allowed"); what it writes freely is counted beside it ("free").
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kalm_jax.files import read_csv, read_npy, write_csv, write_npy, write_text
from kalm_jax.grounding.decoding import encode_goals
from kalm_jax.llm.hf.config import check_positions, read_config
from kalm_jax.llm.hf.folder import find_folder
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.pipeline.artifacts import NOVEL_LEVELS, content_mark, model_files
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.grounding import check_planner
from kalm_jax.pipeline.planner import (
    Pair,
    answer,
    answer_chat,
    chat_prompt,
    fit_planner,
    pairs_of,
    text_model,
    training_pairs,
)
from kalm_jax.pipeline.planner_config import TRAINED, KnowledgeConfig, PlannerConfig, TextTraining
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.progress import Progress
from kalm_jax.worlds.base import World, get_world

MOVES_SHARE = 0.2
"""Share of training sentences that are single moves, in the conditions that have any."""
RENAMINGS = 8
"""Renamings of the world's objects under which each of these is shown, where the world has renamings."""
RANDOM_UPDATES = 10
"""Random weights get so many times the updates of a pretrained model, and all weights are trained."""
RESAMPLES = 2000
"""Bootstrap samples behind an interval."""


def template_of(world: World, sentence: str) -> str:
    """A sentence without the words of subgoals: two sentences of one template differ in colors or directions alone."""
    return " ".join("_" if word in _subgoal_words(world) else word for word in sentence.replace("'s", " 's").split())


@functools.cache
def _subgoal_words(world: World) -> frozenset[str]:
    return frozenset(word for text in world.language.subgoals() for word in text.split())


def run(
    folder: str | pathlib.Path,
    world: str,
    llm: str,
    config: KnowledgeConfig,
    training: TextTraining,
    seed: int = 0,
    command: str = "",
) -> list[dict[str, Any]]:
    """Measures all conditions; writes `knowledge.csv`, `knowledge.md` and `knowledge.png`, and returns the rows.

    The same call continues a killed run.

    Args:
      llm: a Hugging Face folder or a name.
      training: of the conditions with training.

    Raises:
      OSError, ValueError: as `check`.
    """
    check(get_world(world), llm, config, training)
    about = PipelineConfig(world=world, seed=seed, planner=PlannerConfig(llm=llm))
    job = PipelineRun(folder, about, command, kind="knowledge")
    rows: list[dict[str, Any]] = []
    for condition, sentences, number in _cells(config):
        place = run_condition(job, condition, sentences, number, llm, config, training)
        answers = read_csv(place / "answers.csv", allowed=int, free=int)
        rows += [{"condition": condition, "sentences": sentences, "seed": number, **row} for row in answers]
        found = summarize(rows)
        write_csv(job.path / "knowledge.csv", list(found[0]), found)
        write_text(job.path / "knowledge.md", f"    {command}\n\n{table(found)}\n\n{hardest(rows)}\n")
    from kalm_jax.report.figures import knowledge_chart

    knowledge_chart(found).savefig(job.path / "knowledge.png", dpi=150)
    print(table(found))
    return found


def check(world: World, llm: str, config: KnowledgeConfig, training: TextTraining) -> None:
    """Checks what the conditions need, before anything is computed.

    Raises:
      OSError, ValueError: the language model cannot be read or trained so, has no chat template for the condition
        "prompt", or the world has too few sentences, or no subgoals.
    """
    if not world.language.subgoals():
        raise ValueError(f"the world {world.name} has no subgoals, so there is nothing to measure")
    check_planner(PlannerConfig(llm=llm, text="data", **dataclasses.asdict(training)), world)
    data, easy = len(world.goals("offline")), len(world.goals("unseen_easy"))
    if "prompt" in config.conditions:
        if config.examples > data:
            raise ValueError(f"--examples={config.examples}: the data have {data} sentences; give fewer")
        folder = find_folder(llm)
        try:
            shown = chat_prompt(load_tokenizer(folder), _examples(world, config.examples, 0), "x " * 40)
        except ValueError as error:
            raise ValueError(f"--conditions=prompt: {folder}: {error}, or leave prompt out") from error
        check_positions(folder, read_config(folder), len(shown) + 64, "--examples")
    if config.moves >= easy and {"pretrained-moves", "random-moves"} & set(config.conditions):
        raise ValueError(f"--moves={config.moves} leaves none of the {easy} easy sentences to be asked about")
    large = [count for count in config.sentences if count != "all" and int(count) > data]
    if large:
        raise ValueError(f"--sentences={large[0]}: the data have {data} sentences; give at most as many, or all")


def _cells(config: KnowledgeConfig) -> list[tuple[str, str, int]]:
    """(condition, sentences, number of the seed), first seeds first, so that a table is there early."""
    cells = []
    for number in range(config.seeds):
        for sentences in config.sentences:
            for condition in config.conditions:
                kind = TRAINED.get(condition, ("", False))[0]
                if kind != "data" and sentences != config.sentences[0]:
                    continue  # the others do not depend on the number of sentences
                if kind or not number:
                    cells.append((condition, sentences if kind == "data" else "", number))
    return cells


def run_condition(
    job: PipelineRun,
    condition: str,
    sentences: str,
    number: int,
    llm: str,
    config: KnowledgeConfig,
    training: TextTraining,
) -> pathlib.Path:
    """Answers of one condition and seed, as `answers.csv`: level, sentence, subgoals, both answers and if right."""
    world, seed = job.world, job.config.seed + number
    model = "" if condition in ("grammar", "random", "random-moves") or condition.endswith("builtin") else llm
    settings: dict[str, Any] = {"seed": seed, "tested": config.tested, "sentences": sentences}
    settings["weights"] = [content_mark(path) for path in model_files(find_folder(model))]
    text, random = TRAINED.get(condition, ("", False))
    if text:
        training = _training_of(training, random)
        settings |= {"training": dataclasses.asdict(training), "moves": config.moves if text == "moves" else 0}
        settings["renamings"] = RENAMINGS
    if condition == "prompt":
        settings["examples"] = config.examples
    label = "-".join(filter(None, (condition, sentences, str(number) if text else "")))
    method = condition.partition("-")[0]
    vectors = _vectors(job, model, config.tested, settings["weights"]) if method in ("nearest", "probe") else None

    def work(folder: pathlib.Path) -> None:
        chosen = few_moves(world, config.moves, seed) if text == "moves" else []
        tested = _tested(world, config.tested, {template_of(world, sentence) for sentence, _ in chosen})
        asked = [sentence for _, sentence, _ in tested]
        allowed = world.language.subgoals()
        if text or condition == "grammar":
            if text:
                count = int(sentences) if sentences.isdecimal() else 0
                source = "grammar" if text == "grammar" else "data"
                sample = training_pairs(world, source, count, seed, renamed(world, chosen), MOVES_SHARE)
                grounded = fit_planner(model, sample, training, seed=seed, random=random, folder=folder, label=label)
            else:
                grounded = text_model(model)
            answers = answer(grounded, asked, allowed, label), answer(grounded, asked, (), f"{label}, free")
        elif condition == "prompt":
            grounded, examples = text_model(model), _examples(world, config.examples, seed)
            answers = (
                answer_chat(grounded, asked, examples, allowed, label),
                answer_chat(grounded, asked, examples, (), f"{label}, free"),
            )
        elif vectors is not None:
            found = _by_vectors(world, read_npy(vectors / "vectors.npy"), method)
            answers = found, found
        rows = [
            {
                **{"level": level, "template": template_of(world, sentence), "sentence": sentence, "subgoals": plan},
                **{"allowed": int(said == plan), "free": int(freely == plan), "answer": said, "free_answer": freely},
            }
            for (level, sentence, plan), said, freely in zip(tested, *answers, strict=True)
        ]
        write_csv(folder / "answers.csv", list(rows[0]), rows)

    return job.stage(label, settings, [] if vectors is None else [vectors.name], work)


def _vectors(job: PipelineRun, model: str, tested: int, weights: list[str]) -> pathlib.Path:
    """The folder with `vectors.npy`: those of the data's sentences, and after them of the sentences that are asked."""
    world, label = job.world, "vectors" if model else "vectors-builtin"

    def work(folder: pathlib.Path) -> None:
        texts = [sentence for sentence, _ in pairs_of(world, world.goals("offline"))]
        texts += [sentence for _, sentence, _ in _tested(world, tested, set())]
        with Progress(label, len(texts), unit="sentence") as progress:
            vectors = encode_goals(text_model(model), texts, by_length=True, progress=progress.update)
        write_npy(folder / "vectors.npy", vectors)

    return job.stage(label, {"weights": weights, "tested": tested}, [], work)


def _training_of(training: TextTraining, random: bool) -> TextTraining:
    """Random weights are all trained, for longer and at the rate of the built-in model's pretraining."""
    if not random:
        return training
    return dataclasses.replace(
        training, steps=training.steps * RANDOM_UPDATES, lora_rank=0, layers=0, learning_rate=2e-3
    )


def few_moves(world: World, count: int, seed: int) -> list[Pair]:
    """Sentences of single moves, of different templates where there are enough."""
    pairs, rng = pairs_of(world, world.goals("unseen_easy")), np.random.default_rng([seed, 2])
    order = [pairs[i] for i in rng.permutation(len(pairs))]
    first: dict[str, Pair] = {}
    for pair in order:
        first.setdefault(template_of(world, pair[0]), pair)
    return [*first.values(), *order][:count]


def renamed(world: World, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs under several renamings of the world's objects, which change nothing else: other colors."""
    if world.language.renamings is None or not pairs:
        return list(pairs)
    return [(r.text(a), r.text(b)) for r in world.language.renamings(RENAMINGS) for a, b in pairs]


def _examples(world: World, count: int, seed: int) -> list[Pair]:
    """Examples of a prompt from the data, of different subgoals where there are enough."""
    pairs, rng = pairs_of(world, world.goals("offline")), np.random.default_rng([seed, 3])
    return [pairs[i] for i in rng.choice(len(pairs), count, replace=False)]


def _tested(world: World, count: int, without: set[str]) -> list[tuple[str, str, str]]:
    """(level, sentence, subgoals) of sentences of all novel levels, evenly from their templates."""
    out = []
    for level in NOVEL_LEVELS:
        pairs = [pair for pair in pairs_of(world, world.goals(level)) if template_of(world, pair[0]) not in without]
        order = np.random.default_rng(4).permutation(len(pairs))  # the same for all conditions and seeds
        place: dict[str, int] = {}
        ranked = []
        for i in order:
            name = template_of(world, pairs[i][0])
            place[name] = place.get(name, -1) + 1
            ranked.append((place[name], int(i)))
        out += [(level, *pairs[i]) for _, i in sorted(ranked)[:count]]
    return out


def _by_vectors(world: World, vectors: np.ndarray, method: str) -> list[str]:
    """The subgoal of each sentence by its vector: that of the nearest mean of the data's sentences, or by a probe.

    `vectors` are those of the data's sentences, and after them of the sentences that are asked.
    """
    pairs = pairs_of(world, world.goals("offline"))
    known, new = vectors[: len(pairs)].astype(np.float64), vectors[len(pairs) :].astype(np.float64)
    mean, scale = known.mean(0), known.std(0) + 1e-6
    known, new = (known - mean) / scale, (new - mean) / scale
    names = sorted({plan for _, plan in pairs})
    target = np.array([names.index(plan) for _, plan in pairs])
    one_hot = np.eye(len(names))[target]
    if method == "nearest":
        centers = one_hot.T @ known / one_hot.sum(0)[:, None]
        scores = _unit(new) @ _unit(centers).T
    else:  # ridge regression, one part of a subgoal at a time: which object, which side, of which other one
        alike = len({len(name.split()) for name in names}) == 1
        words_of = (lambda name: name.split()) if alike else (lambda name: [name])
        parts = [sorted({words_of(name)[k] for name in names}) for k in range(len(words_of(names[0])))]
        gram = known.T @ known + len(known) * 0.1 * np.eye(known.shape[1])
        scores = np.zeros((len(new), len(names)))
        for k, words in enumerate(parts):
            wanted = np.array([words.index(words_of(plan)[k]) for _, plan in pairs])
            weights = np.linalg.solve(gram, known.T @ (np.eye(len(words))[wanted] - 1 / len(words)))
            scores += (new @ weights)[:, [words.index(words_of(name)[k]) for name in names]]
    return [names[i] for i in scores.argmax(1)]


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def summarize(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Share of right subgoals of every condition, number of sentences and level, with bootstrap intervals.

    Templates and seeds are drawn again, as both are samples: other wordings, and other trainings.
    """
    out: list[dict[str, Any]] = []
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["condition"], row["sentences"], row["level"]), []).append(row)
    for (condition, sentences, level), mine in groups.items():
        measured: dict[str, Any] = {"seeds": len({row["seed"] for row in mine}), "asked": len(mine)}
        for kind in ("allowed", "free"):
            measured |= dict(zip((kind, f"{kind}_low", f"{kind}_high"), bootstrap(mine, kind)))
        out.append({"condition": condition, "sentences": sentences, "level": level, **measured})
    return out


def bootstrap(rows: Sequence[Mapping[str, Any]], kind: str) -> tuple[float, float, float]:
    """Mean of a column over sentences and seeds, and its 95% interval by drawing templates and seeds again."""
    templates, seeds = (list(dict.fromkeys(row[name] for row in rows)) for name in ("template", "seed"))
    right, count = (np.zeros((len(templates), len(seeds))) for _ in range(2))
    for row in rows:
        at = templates.index(row["template"]), seeds.index(row["seed"])
        right[at] += row[kind]
        count[at] += 1
    rng, draws = np.random.default_rng(0), np.zeros(RESAMPLES)
    for i in range(RESAMPLES):
        drawn = np.ix_(rng.integers(len(templates), size=len(templates)), rng.integers(len(seeds), size=len(seeds)))
        draws[i] = right[drawn].sum() / count[drawn].sum()
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(right.sum() / count.sum()), float(low), float(high)


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: percent of right subgoals by condition, number of sentences and level, with intervals."""
    levels = list(dict.fromkeys(row["level"] for row in found))
    lines = [
        "| condition | sentences | seeds | " + " | ".join(f"{level}, %" for level in levels) + " | written freely |"
    ]
    lines.append("|" + "---|" * (len(levels) + 4))
    for key in dict.fromkeys((row["condition"], row["sentences"]) for row in found):
        mine = {row["level"]: row for row in found if (row["condition"], row["sentences"]) == key}
        cells = [_percent(mine[level], "allowed") if level in mine else "-" for level in levels]
        free = " / ".join(f"{100 * mine[level]['free']:.0f}" for level in levels if level in mine)
        seeds = max(row["seeds"] for row in mine.values())
        lines.append(f"| {key[0]} | {key[1] or '-'} | {seeds} | " + " | ".join(cells) + f" | {free} |")
    return "\n".join(lines)


def _percent(row: Mapping[str, Any], kind: str) -> str:
    rate, low, high = (100 * row[name] for name in (kind, f"{kind}_low", f"{kind}_high"))
    return f"{rate:.0f} [{low:.0f}, {high:.0f}]"


def hardest(rows: Sequence[Mapping[str, Any]], count: int = 8) -> str:
    """Markdown: the templates in which each condition is wrong most often, with a sentence and its answer."""
    lines = ["Where each fails most often:", ""]
    for condition in dict.fromkeys(row["condition"] for row in rows):
        mine: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for row in rows:
            if row["condition"] == condition:
                mine.setdefault((row["level"], row["template"]), []).append(row)
        ranked = sorted(mine.values(), key=lambda same: (np.mean([row["allowed"] for row in same]), -len(same)))
        lines.append(f"- {condition}")
        for same in ranked[:count]:
            wrong = next((row for row in same if not row["allowed"]), None)
            if wrong is not None:
                share = 100 * np.mean([row["allowed"] for row in same])
                lines.append(
                    f"    - {share:.0f}% right, {wrong['level']}: {wrong['sentence']!r} is {wrong['subgoals']!r}, "
                    f"and the answer was {wrong['answer']!r}"
                )
    return "\n".join(lines)
