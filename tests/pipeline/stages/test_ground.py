"""The ground stage with a custom model and every setting away from its default."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.evaluation.llm_metrics import read_metrics
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.grounding.config import NumericSpec, TaskShares
from kalm_jax.grounding.model import Grounded, GroundedModel, init_params
from kalm_jax.imagination.subgoals import direct_plans
from kalm_jax.llm.hf.folder import BUILTIN, load_model, save_model
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.llm.transformer import Llama, LlamaConfig
from kalm_jax.pipeline import config
from kalm_jax.pipeline.imagining import plans_of
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.pipeline.stages.collect import run_collect
from kalm_jax.pipeline.stages.ground import run_ground
from kalm_jax.types import make_goal_table
from kalm_jax.worlds.clevr import instructions as language
from kalm_jax.worlds.clevr import text as clevr_text
from kalm_jax.worlds.clevr.goals import FAMILIES

WORDS = load_tokenizer(BUILTIN)


def save_own(folder):
    """A tiny grouped, untied model with a window, as a folder; the built-in tokenizer keeps rows short."""
    shape = LlamaConfig(WORDS.vocab_size, 16, 2, 4, 2, 6, 24, tie_embeddings=False, sliding_window=40)
    tokens = jnp.zeros((1, 2), jnp.int32)
    params = jax.jit(Llama(shape).init)(jax.random.key(3), tokens, tokens, jnp.ones((1, 2, 2), bool))["params"]
    save_model(folder, shape, params, WORDS)
    return shape, params


@pytest.mark.slow
@pytest.mark.parametrize("lora_rank", [2, 0])
def test_a_model_of_the_users_own_is_grounded_by_the_settings(tmp_path, lora_rank):
    shape, params = save_own(tmp_path / "own")
    ground = config.GroundConfig(
        llm=str(tmp_path / "own"),
        steps=3,
        rows=4,
        shares=TaskShares().only(["generation", "explanation"]),
        accumulate=2,
        compute="bfloat16",
        lora_rank=lora_rank,
        predict_change=False,
        gaussian_states=True,
        hidden=0,
    )
    settings = dataclasses.replace(
        config.load_presets("clevr")["smoke"],
        collect=config.CollectConfig(rollouts=12),
        ground=ground,
        metrics=config.MetricsConfig(every=2 if lora_rank else 0, rollouts=8, explained=2),
    )
    run = PipelineRun(tmp_path / "run", settings)
    run_collect(run)
    run_ground(run)
    # Measured as it will be used: adapters merged, layers apart.
    measured = read_metrics(run.path / "ground" / "metrics.csv")
    assert {row["step"] for row in measured} == ({2, 3} if lora_rank else set())
    assert {row["total"] for row in measured if row["metric"] in ("match_rate", "explanation_unseen")} <= {8, 1}
    model, trained, _ = load_grounded(run.path / "ground" / "model")
    assert model.config == shape
    spec = model.spec
    assert (spec.predict_change, spec.gaussian_states, spec.hidden) == (False, True, 0)
    # The text part opens as a model of its own; LoRA leaves words alone, full fine-tuning does not.
    _, text, _ = load_model(run.path / "ground" / "model" / "text")
    jax.tree.map(np.testing.assert_array_equal, text, trained["llm"])
    same = jax.tree.map(lambda a, b: bool((a == b).all()), text, params)
    assert not same["layer_1"]["ffn"]["up"]["kernel"]
    assert same["embedding"]["embedding"] == same["head"]["kernel"] == bool(lora_rank)


@pytest.mark.slow
def test_the_builtin_model_plans_as_it_was_before_grounding():
    shape, _, tokenizer = load_model(BUILTIN)
    spec = NumericSpec(1, num_actions=1, mean=(0.0,), std=(1.0,), change_std=(1.0,), hidden=4)
    forgot = GroundedModel(shape, spec)
    grounded = Grounded(forgot, init_params(forgot, jax.random.key(0)), tokenizer)
    told = language.sentences("validation")[::16]
    families = [FAMILIES.index(s.family) for s in told]
    goals = make_goal_table([s.text for s in told], 1, families, [s.goal for s in told])
    want = [clevr_text.plan(s.family, np.array(s.goal)) for s in told]

    def share(plans):
        return np.mean([" and ".join(step.text for step in plan) == text for plan, text in zip(plans, want)])

    settings = config.load_presets("clevr")["smoke"]
    plans = plans_of(settings, grounded, goals)
    assert share(plans) >= 0.9
    # Goals that are not asked for keep their own words.
    few = plans_of(settings, grounded, goals, asked=[3, 1, 3])
    assert few == [plan if i in (1, 3) else alone for i, (plan, alone) in enumerate(zip(plans, direct_plans(goals)))]
    # A model that the user gave knows only what grounding taught it, here nothing.
    own = dataclasses.replace(settings, ground=config.GroundConfig(llm="own"))
    assert share(plans_of(own, grounded, goals)) == 0.0
