"""Does a Hugging Face folder compute here what it computes in `transformers`? Or: what does it say?

    kalm check-llm --llm=FOLDER

prints the largest difference between this library's logits and those of transformers' torch model, in float32, on
left-padded prompts of different lengths: in one pass and with a cache, with layers one by one and stacked. Exits with 1
beyond --tolerance. It needs torch (pip install ".[parity]" in a clone) and memory for one copy of the model in float32.

    kalm check-llm --llm=smollm2 --prompt="The capital of France is"

prints what the model writes behind a text instead, its likeliest token each time, and needs no torch.
"""

import dataclasses
import pathlib
import sys
from typing import TYPE_CHECKING

from kalm_jax.cli.flags import Flag, UsageError, flags_of, made, parse
from kalm_jax.llm.named import NAMED
from kalm_jax.settings import MAX_SEED, MOST_WIDE, Checked, setting

if TYPE_CHECKING:
    import numpy as np

    from kalm_jax.llm.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class CheckSettings(Checked):
    """What is compared."""

    llm: str = setting(
        "",
        f"Hugging Face folder, or a name: {', '.join(NAMED)}; empty is the built-in model.",
        exists="config.json",
        names=tuple(NAMED),
    )
    prompt: str = setting("", "Text to be completed; nothing is compared then.", filled=True)
    tokens: int = setting(40, "Most tokens of a completion.", low=1, high=MOST_WIDE)
    tolerance: float = setting(
        1e-3,
        "Largest difference allowed. float32 rounds differently in any two programs: tiny models differ by 1e-6 to "
        "1e-4, and the logits of large ones by more.",
        low=0,
        high=1e6,
    )
    length: int = setting(64, "Tokens of the longest prompt.", low=8, high=MOST_WIDE)
    seed: int = setting(0, "Seed of the prompts.", low=0, high=MAX_SEED)


def flags() -> list[Flag]:
    """The flags of the command."""
    return flags_of(CheckSettings, "check")


def prompts(tokenizer: "Tokenizer", words: int, length: int, seed: int) -> "tuple[np.ndarray, np.ndarray]":
    """Left-padded ids (6, length) and validity: three documents of the corpus and three rows of any ids."""
    import numpy as np

    from kalm_jax.llm.tokenizer import left_pad
    from kalm_jax.worlds.clevr.text import sample_document

    rng = np.random.default_rng(seed)
    rows = [[tokenizer.bos_id, *tokenizer.encode(sample_document(rng))][:length] for _ in range(3)]
    rows += [rng.integers(words, size=n).tolist() for n in (length, length // 2, length // 5)]
    return left_pad(rows, tokenizer.pad_id, length)


def completion(folder: pathlib.Path, prompt: str, tokens: int) -> str:
    """The prompt and what the model writes behind it, up to the end of the text or of a turn."""
    from tokenizers import Tokenizer as Backend

    from kalm_jax.llm.completion import complete
    from kalm_jax.llm.hf.config import check_positions
    from kalm_jax.llm.hf.folder import check_folder, load_model

    config = check_folder(folder)
    backend = Backend.from_file(str(folder / "tokenizer.json"))
    backend.no_truncation()  # a file may ask for either
    backend.no_padding()
    ids = backend.encode(prompt).ids
    check_positions(folder, config, len(ids) + tokens, "--prompt and --tokens")
    # Stacked layers compile in seconds, and few tokens are written.
    config, params, tokenizer = load_model(folder, scan_layers=True)
    return backend.decode(ids + complete(config, params, ids, tokens, tokenizer.special_ids))


def main(argv: list[str]) -> None:
    """Runs the command with the given arguments."""
    given = parse(flags(), argv)
    idle = ("tokens",) if "prompt" not in given else ("tolerance", "length", "seed")
    for name in idle:
        if name in given:
            raise UsageError(
                f"--{name} has no effect {'with' if 'prompt' in given else 'without'} --prompt: leave it out"
            )
    settings = made(CheckSettings, given)
    import numpy as np

    from kalm_jax import progress
    from kalm_jax.distributed import setup_jax
    from kalm_jax.llm.hf import parity
    from kalm_jax.llm.hf.config import check_positions
    from kalm_jax.llm.hf.folder import check_folder, find_folder, load_model
    from kalm_jax.llm.tokenizer import load_tokenizer

    folder = find_folder(settings.llm)
    setup_jax()
    progress.say_notes()
    if settings.prompt:
        print(completion(folder, settings.prompt, settings.tokens))
        return
    config = check_folder(folder)
    check_positions(folder, config, settings.length, "--length")
    ids, valid = prompts(load_tokenizer(folder), config.vocab_size, settings.length, settings.seed)
    theirs = parity.torch_logits(folder, ids, valid)
    print(
        f"{folder}: {config.layers} layers, {config.width} wide, {config.vocab_size} words; {len(ids)} prompts of "
        f"{valid.sum(1).min()} to {valid.sum(1).max()} tokens; logits up to {np.abs(theirs[valid]).max():.1f}"
    )
    worst = 0.0
    for scan, layers in ((False, "layers one by one"), (True, "stacked layers")):
        config, params, _ = load_model(folder, scan_layers=scan)
        for name, logits in (("one pass", parity.full_logits), ("with a cache", parity.cached_logits)):
            ours = logits(config, params, ids, valid)
            same = float((ours.argmax(-1) == theirs.argmax(-1))[valid].mean())
            difference = parity.largest_difference(ours, theirs, valid)
            print(f"{f'{name}, {layers}':32} largest difference {difference:.2e}, same likeliest token {same:.1%}")
            worst = max(worst, difference) if difference == difference else float("inf")
        del params  # before the next copy
    if worst > settings.tolerance:
        sys.exit(f"error: {worst:.2e} is beyond the tolerance of {settings.tolerance:g}")
    print(f"agrees with transformers within {settings.tolerance:g}")
