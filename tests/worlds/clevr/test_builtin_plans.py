"""What the built-in model makes of words by a stranger: 420 wordings whose author had seen nothing of this library.

The first half was looked at while the pretraining text was written, the second never: only its accuracy was.
"""

import collections
import json

import jax
import numpy as np

from kalm_jax.grounding import decoding as decode
from kalm_jax.grounding import tasks
from kalm_jax.grounding.config import NumericSpec
from kalm_jax.grounding.model import Grounded, GroundedModel, init_params
from kalm_jax.llm.hf.folder import BUILTIN, load_model
from tests.paths import DATA

WORDINGS = json.loads((DATA / "wordings.json").read_text())


def test_plans_of_wordings_by_a_stranger():
    config, llm, tokenizer = load_model(BUILTIN)
    spec = NumericSpec(1, num_actions=1, mean=(0.0,), std=(1.0,), change_std=(1.0,), hidden=4)
    model = GroundedModel(config, spec)
    params = {**init_params(model, jax.random.key(0)), "llm": llm}
    prompts = [tasks.plan_prompt(tokenizer, wording["text"]) for wording in WORDINGS]
    plans = decode.generate_answers(Grounded(model, params, tokenizer), prompts)
    right = collections.defaultdict(list)
    for i, (plan, wording) in enumerate(zip(plans, WORDINGS, strict=True)):
        for name in (wording["kind"], "first half" if i < len(WORDINGS) // 2 else "second half"):
            right[name].append(plan == wording["plan"])
    shares = {name: float(np.mean(x)) for name, x in right.items()}
    print(shares)
    assert min(shares["first half"], shares["second half"]) > 0.92
    assert min(shares[kind] for kind in ("relation", "dislike", "move")) > 0.9
