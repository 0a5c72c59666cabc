"""The console script `kalm`: finds the command, prints its help, and turns errors that a user can fix into one line.

Until `run` has begun, Ctrl-C gives Python's traceback. Therefore this module imports nothing that takes time.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # for type checkers it is True
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

COMMANDS = {
    "clevr": "KALM on CLEVR-Robot, from nothing to a report",
    "metaworld": "KALM on Meta-world's Sawyer arm, from nothing to a report",
    "world": "KALM in a custom environment, from nothing to a report",
    "study": "any of these three several times, with intervals over groundings",
    "offline": "offline RL on any Gymnasium environment from a file of rollouts",
    "collect": "rollouts of a scripted or random policy in a Gymnasium environment, as a file",
    "ablation": "which grounding tasks matter, and what else",
    "knowledge": "what a language model knows of words, beside the built-in model's grammar",
    "replay": "does CLEVR-Robot's simulator agree with recorded rollouts?",
    "get-llm": "a language model as a Hugging Face folder: fetched by its name, or from a GGUF file",
    "check-llm": "does a Hugging Face folder compute here what it computes in transformers?",
    "compile": "will a job compile and fit on a TPU or a GPU? asked of its own compiler, without the device",
}
"""Command -> one line about it. Its module has the same name, with underscores, and `flags()` and `main(argv)`."""

STARTING_AGAIN = ("collect", "replay", "get-llm", "check-llm", "throughput", "metaworld-experts")
"""Commands that keep nothing when they are stopped; the others carry on where they were."""


def load(name: str) -> ModuleType:
    """The module of a command."""
    import importlib

    return importlib.import_module(f"kalm_jax.cli.{name.replace('-', '_')}")


def invocation(name: str, argv: Sequence[str] = ()) -> str:
    """How this process was asked for a command: "kalm clevr --seed=1", or "python -m experiments.clevr --seed=1"."""
    import shlex

    ways = {"kalm": f"kalm {name}", "__main__": f"python -m kalm_jax {name}"}
    program, _ = os.path.splitext(os.path.basename(sys.argv[0]))
    way = ways.get(program, f"python -m experiments.{name.replace('-', '_')}")
    return f"{way} {shlex.join(argv)}".strip()


def main() -> None:
    """`kalm COMMAND --name=value ...`; modules of the current folder can be imported, as with `python -m`."""
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.insert(0, os.getcwd())
    name, *argv = sys.argv[1:] or [""]
    if name in ("", "--help", "-h", "-help", "help"):
        lines = [f"  {command:18} {line}" for command, line in COMMANDS.items()]
        text = ["kalm COMMAND --name=value ...", "", *lines, "", "kalm COMMAND --help lists a command's flags."]
        print("\n".join(text), file=sys.stdout if name else sys.stderr)
        if not name:
            sys.exit(2)
    elif name == "--version":
        from kalm_jax import __version__

        print(__version__)
    elif name not in COMMANDS:
        print(f"error: unknown command {name!r}; there are {', '.join(COMMANDS)}", file=sys.stderr)
        sys.exit(2)
    else:
        run(name, argv)


def run(name: str, argv: list[str] | None = None, module: str = "") -> None:
    """Runs a command; exits with 2 where a flag is wrong and with 1 where something else is.

    Args:
      name: of the command.
      argv: its arguments; None takes those of this process.
      module: where it is, if not in this package.
    """
    how = "starts again" if name in STARTING_AGAIN else "carries on"
    line = f"stopped; the same command {how}"
    try:
        _run(name, sys.argv[1:] if argv is None else argv, module, line)
    except KeyboardInterrupt:  # before `stopping_with` has begun
        print(line, file=sys.stderr, flush=True)
        os._exit(130)


def _run(name: str, argv: list[str], module: str, line: str) -> None:
    """`run`, where a stop says `line`."""
    from kalm_jax.malloc import configure_malloc

    configure_malloc()  # before NumPy, JAX and `stopping_with` begin threads that may take arenas of their own
    from kalm_jax.cli.stopping import stopping_with

    with stopping_with(line):  # what the command imports takes a second already
        import importlib

        _work(name, argv, importlib.import_module(module) if module else load(name))


def _work(name: str, argv: list[str], command: ModuleType) -> None:
    """The command's help, or its work with errors as one line."""
    from kalm_jax.cli.flags import UsageError, help_text

    if {"--help", "-h", "-help", "--helpfull"} & set(argv):
        try:
            print(help_text(invocation(name), command.__doc__ or "", command.flags()), flush=True)
        except BrokenPipeError:  # of a reader such as head, which has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    from absl import logging

    logging.set_verbosity(logging.WARNING)
    logging.use_absl_handler()
    try:
        command.main(argv)
    except UsageError as error:
        print(f"error: {error}\n{invocation(name)} --help lists the flags", file=sys.stderr)
        sys.exit(2)
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        sys.exit(f"error: {error}{_printing()}")


def _printing() -> str:
    """What to add to an error where nothing can be printed, such as on a full disk."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return f"; the output cannot be printed: {error.strerror}"
    return ""
