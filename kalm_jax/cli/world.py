"""KALM in a custom environment, from nothing to a report, in one command.

    kalm world --world=my_package.my_world --algo=td3bc

does what kalm clevr does in the world that the module my_package.my_world has under the name WORLD: a Gymnasium
environment, its sentences, and when they are fulfilled (`kalm_jax.worlds.gymnasium`). The amounts of everything are
Meta-world's, where a run with the preset "full" takes an hour and a half on one CPU core. If a run is killed, the same
command continues it; a changed setting redoes the stages that depend on it.
"""

from kalm_jax.cli import job

flags = job.job_flags


def main(argv: list[str]) -> None:
    """Runs the command with the given arguments."""
    job.run("world", argv, flags())
