"""Two language models in the place of one: one for words and actions, one for states.

This is an outlook of KALM's (its section 6): a single model must learn both how the environment moves and how to act in
it. Words stay with actions because explaining and planning are part of knowing what to do, while the next state follows
from state and action. Both models read every position through maps of their own. No weight is shared, so neither loss
reaches the other's model.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from kalm_jax.grounding.heads import HeadOutput
from kalm_jax.grounding.model import GroundedModel, States, Tokens, Values
from kalm_jax.llm.arrays import Hidden, MaskOrSegments, PerToken, Vectors
from kalm_jax.llm.transformer import Cache, Index, empty_cache


class TwoModels(GroundedModel):
    """A `GroundedModel` whose states have a model of their own, with parameters under "states".

    Vectors are those of both models, concatenated along the last axis, and so E is twice the width of one model. A
    cache holds the layers of both, one model's after the other's. The methods are those of `GroundedModel`.
    """

    def setup(self) -> None:
        super().setup()
        # This one writes no words, so it has no head for them.
        self.states = GroundedModel(dataclasses.replace(self.config, tie_embeddings=True), self.spec)

    @property
    def text_model(self) -> GroundedModel:
        """The model of words and actions alone, with the same parameters: half the work."""
        return GroundedModel(self.config, self.spec)

    def empty_cache(self, batch: int, size: int, dtype: Any = jnp.float32) -> Cache:
        return empty_cache(dataclasses.replace(self.config, layers=2 * self.config.layers), batch, size, dtype)

    def embed_text(self, token: Tokens) -> Hidden:
        return jnp.concatenate([super().embed_text(token), self.states.embed_text(token)], -1)

    def embed_state(self, state: States) -> Hidden:
        return jnp.concatenate([super().embed_state(state), self.states.embed_state(state)], -1)

    def embed_action(self, token: Tokens, value: Values) -> Hidden:
        return jnp.concatenate([super().embed_action(token, value), self.states.embed_action(token, value)], -1)

    def backbone(
        self, x: Vectors, positions: PerToken, mask: MaskOrSegments, cache: Cache | None = None, index: Index = None
    ) -> tuple[Vectors, Cache | None]:
        assert not isinstance(cache, dict), "two models decode with layers one by one, see `unstack_layers`"
        first, second = jnp.split(x, 2, -1)
        half = self.config.layers
        parts: list[Cache | None] = [None, None] if cache is None else [cache[:half], cache[half:]]
        first, own = super().backbone(first, positions, mask, parts[0], index)
        second, other = self.states.backbone(second, positions, mask, parts[1], index)
        joined = own + other if isinstance(own, list) and isinstance(other, list) else None
        return jnp.concatenate([first, second], -1), joined

    def text_logits(self, hidden: Hidden) -> Float[Array, "*batch V"]:
        return super().text_logits(hidden[..., : self.config.width])

    def action_head(self, hidden: Hidden) -> HeadOutput:
        return super().action_head(hidden[..., : self.config.width])

    def state_head(self, hidden: Hidden) -> HeadOutput:
        return self.states.state_head(hidden[..., self.config.width :])
