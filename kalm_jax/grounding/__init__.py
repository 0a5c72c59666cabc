"""Grounding: a language model learns to read and write the states and actions of an environment."""
