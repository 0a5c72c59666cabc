"""What the built-in model makes of words by strangers, whose authors had seen nothing of this library."""

import pytest

from benchmarks.plans import meaning, model_in, right
from kalm_jax.llm.hf.folder import BUILTIN


def test_mirrored_relations_mean_the_same_and_other_subgoals_do_not():
    assert meaning("red left blue") == meaning("blue right red") != meaning("red right blue")
    assert meaning("red left blue and move green left") == meaning("move green left and blue right red")
    assert meaning("move red left") != meaning("move red right") and not meaning("what is left")


@pytest.mark.slow
def test_plans_of_wordings_by_strangers():
    shares = {name: 1 - len(wrong) / count for name, wrong, count in right(model_in(BUILTIN))}
    print(shares)
    assert shares["wordings"] > 0.94 and shares["wordings_2"] > 0.88
    assert min(shares[f"wordings, {kind}"] for kind in ("relation", "dislike", "move")) > 0.9
    assert min(share for name, share in shares.items() if name.startswith("level")) > 0.9
