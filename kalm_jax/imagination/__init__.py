"""Rollouts for goals that no data covers: generation, reward labelling, and how good they are."""
