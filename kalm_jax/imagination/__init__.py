"""Imagination: rollouts for goals that no data covers, their subgoals, verification and realism."""
