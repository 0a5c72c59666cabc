"""Files of rollouts: the library's own, and those of Minari, ImagineBench, D4RL and KALM's authors."""

from kalm_jax.datasets.native import read_pieces
from kalm_jax.datasets.rollout_files import check_writable, read_rollouts, require_instructions, write_rollouts

__all__ = ["check_writable", "read_pieces", "read_rollouts", "require_instructions", "write_rollouts"]
