"""Prints every command and flag in Markdown, for the documentation: `python -m kalm_jax.cli.reference`."""

from kalm_jax.cli.flags import reference
from kalm_jax.cli.main import COMMANDS, load


def markdown() -> str:
    """The reference of all commands."""
    parts = ["# Commands\n\nFlags are given as `--name=value`; `kalm COMMAND --help` prints the same text.\n"]
    for name in COMMANDS:
        module = load(name)
        parts.append(reference(f"kalm {name}", module.__doc__ or "", module.flags()))
    return "\n".join(parts)


if __name__ == "__main__":
    print(markdown())
