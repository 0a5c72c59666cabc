"""What a language model knows of words: right subgoals for sentences of templates that it was not trained on.

    kalm knowledge --llm=smollm2

compares a pretrained model, fine-tuned on the data's own sentences and their subgoals alone, with the built-in model's
architecture from random weights, with the built-in model and its grammar, and with the pretrained model as it is
(prompted, by its sentence vectors). knowledge.md, knowledge.csv and knowledge.png in --output have the shares of right
subgoals by level with 95% intervals over templates and seeds, and the templates in which each fails. If it is killed,
the same command continues it. SmolLM2-135M takes some ten minutes per training and seed on a core of 80 float32
Gflop/s, and four hours in all.
"""

import dataclasses

from kalm_jax.cli.devices import device_flags, start
from kalm_jax.cli.flags import Flag, UsageError, flags_of, made, parse
from kalm_jax.cli.main import invocation
from kalm_jax.disk import check_output_folder
from kalm_jax.llm.named import NAMED
from kalm_jax.pipeline.effects import check_knowledge_effects
from kalm_jax.pipeline.planner_config import KnowledgeConfig, TextTraining
from kalm_jax.settings import MAX_SEED, REQUIRED, Checked, setting


@dataclasses.dataclass(frozen=True)
class KnowledgeSettings(Checked):
    """Of which model, and where."""

    llm: str = setting(
        REQUIRED,
        "Language model: a Hugging Face folder (config.json, *.safetensors, tokenizer.json), or a name: "
        f"{', '.join(NAMED)}, which is fetched if it is not there.",
        exists="config.json",
        names=tuple(NAMED),
    )
    world: str = setting("clevr", "Whose sentences: clevr or metaworld.", choices=("clevr", "metaworld"))
    output: str = setting("", "Folder of the comparison. By default runs/knowledge-WORLD.", filled=True)
    seed: int = setting(0, "Root of all random numbers.", low=0, high=MAX_SEED)


def flags() -> list[Flag]:
    """The flags of the command."""
    return [
        *flags_of(KnowledgeSettings, "comparison"),
        *flags_of(KnowledgeConfig, "comparison"),
        *flags_of(TextTraining, "training"),
        *device_flags(),
    ]


def main(argv: list[str]) -> None:
    """Runs the command with the given arguments."""
    given = parse(flags(), argv)
    settings, config, training = (made(cls, given) for cls in (KnowledgeSettings, KnowledgeConfig, TextTraining))
    output = settings.output or f"runs/knowledge-{settings.world}"
    try:
        check_knowledge_effects(given, config.conditions)
    except ValueError as error:
        raise UsageError(str(error)) from error
    check_output_folder(output)
    start(given)
    from kalm_jax.pipeline import knowledge
    from kalm_jax.worlds.base import get_world

    if "sentences" not in given:  # a world may have fewer
        data = len(get_world(settings.world).goals("offline"))
        fitting = tuple(text for text in config.sentences if text == "all" or int(text) <= data)
        config = dataclasses.replace(config, sentences=fitting)
    command = invocation("knowledge", argv)
    knowledge.run(output, settings.world, settings.llm, config, training, settings.seed, command)
    print(f"tables: {output}/knowledge.md")
