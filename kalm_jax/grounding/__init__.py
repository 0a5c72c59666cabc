"""Numeric encoders and heads on the language model, the four fine-tuning tasks, and their training."""
