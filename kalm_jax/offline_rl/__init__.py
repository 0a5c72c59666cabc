"""Offline RL: one short file per algorithm, shared networks, one training loop. Goals are vectors here, never text."""

from kalm_jax.offline_rl.algorithms.awac import AWACConfig
from kalm_jax.offline_rl.algorithms.bc import BCConfig
from kalm_jax.offline_rl.algorithms.combo import COMBOConfig
from kalm_jax.offline_rl.algorithms.cql import CQLConfig
from kalm_jax.offline_rl.algorithms.decision_transformer import DecisionTransformerConfig
from kalm_jax.offline_rl.algorithms.iql import IQLConfig
from kalm_jax.offline_rl.algorithms.td3bc import TD3BCConfig
from kalm_jax.offline_rl.buffer import Batch, Buffer, Relabel, make_buffer, one_to_one, sample
from kalm_jax.offline_rl.checkpoint import drop_checkpoints, load_policies, save_policies, saved_policies
from kalm_jax.offline_rl.normalization import DatasetStats
from kalm_jax.offline_rl.presets import KALM_SETTINGS, every_end_terminal, kalm_learner
from kalm_jax.offline_rl.registry import LEARNERS, Learner, grid, make_learner, sweepable
from kalm_jax.offline_rl.stream import StreamBuffer, open_stream, write_stream
from kalm_jax.offline_rl.trainer import state_of, train
from kalm_jax.offline_rl.windows import Windows, sample_windows

__all__ = [
    "KALM_SETTINGS",
    "LEARNERS",
    "AWACConfig",
    "BCConfig",
    "Batch",
    "Buffer",
    "COMBOConfig",
    "CQLConfig",
    "DatasetStats",
    "DecisionTransformerConfig",
    "IQLConfig",
    "Learner",
    "Relabel",
    "StreamBuffer",
    "TD3BCConfig",
    "Windows",
    "drop_checkpoints",
    "every_end_terminal",
    "grid",
    "kalm_learner",
    "load_policies",
    "make_buffer",
    "make_learner",
    "one_to_one",
    "open_stream",
    "sample",
    "sample_windows",
    "save_policies",
    "saved_policies",
    "state_of",
    "sweepable",
    "train",
    "write_stream",
]
