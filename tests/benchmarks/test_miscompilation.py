"""The comparison of compiled programs: operations one at a time are the program, and a wrong program is found."""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.miscompilation import Row, distance, evaluate, library_pieces
from kalm_jax.xla_flags import FLAG
from tests.paths import ROOT
from tests.test_xla_flags import affected


@jax.custom_vjp
def doubled(x):
    return 2 * x


doubled.defvjp(lambda x: (2 * x, None), lambda _, g: (2 * g,))


def program(x, key, count):
    """Loops, branches, calls, random numbers, gradients and batches."""

    def body(carry, row):
        carry = jax.lax.cond(row.sum() > 0, lambda c: c + row, lambda c: c - 2 * row, carry)
        return jnp.tanh(carry), carry.max()

    last, tops = jax.lax.scan(body, jnp.zeros(x.shape[1]), x, reverse=True)
    grown = jax.lax.while_loop(lambda state: state[0] < count, lambda state: (state[0] + 1, state[1] * 1.5), (0, last))
    slopes = jax.vmap(jax.grad(jax.checkpoint(lambda row: jnp.sum(doubled(row) ** 2) / jax.nn.softmax(row)[0])))(x)
    keys = jax.random.split(key, 3)
    return {"tops": tops, "grown": grown, "slopes": slopes, "drawn": jax.random.normal(keys[1], (4,)), "keys": keys}


def test_single_operations_are_the_program():
    inputs = jax.random.normal(jax.random.key(1), (5, 3)), jax.random.key(2), jnp.asarray(4)
    jitted = jax.jit(program)
    traced = jitted.trace(*inputs).jaxpr
    single = evaluate(traced.jaxpr, traced.consts, list(inputs))
    whole = jax.tree.leaves(jitted(*inputs))
    numbers, integers = distance(whole, single)
    assert len(single) == len(whole) == 6 and numbers < 1e-5 and integers == 0


def test_distances():
    one = jnp.asarray([3.0, 4.0])
    assert distance([one], [one]) == (0.0, 0.0)
    assert distance([one + 0.05], [one])[0] == pytest.approx(np.sqrt(2) * 0.01, rel=1e-5)
    assert distance([jnp.asarray([3.0, jnp.nan])], [one])[0] == np.inf
    same = jnp.asarray([-jnp.inf, jnp.nan, 1.0])
    assert distance([same], [same]) == (0.0, 0.0)
    assert distance([jnp.asarray([1, 2, 3, 4])], [jnp.asarray([1, 2, 3, 5])]) == (0.0, 0.25)


@pytest.mark.parametrize(
    "row, wrong",
    [
        ({"default": 1e-5, "safe": 1e-6, "between": 1e-5}, False),
        ({"default": 2e-2, "safe": 5e-3, "between": 2e-2}, False),  # rounding is large there
        ({"default": 2e-2, "safe": 1e-6, "between": 2e-2}, True),
        ({"default": np.inf, "safe": 1e-6, "between": np.inf}, True),
        ({"between": 0.5, "note": "on several devices"}, True),
    ],
)
def test_what_is_more_than_rounding(row, wrong):
    assert Row("clevr", "f", "", **row).wrong() is wrong


WRONG = """
import dataclasses, json, sys
import jax, jax.numpy as jnp
from benchmarks import miscompilation as m
def product(E, X): return jax.vmap(lambda e, x: jnp.sum((e @ jnp.full_like(e, 0.5)) * x))(E, X)
product.__module__ = "kalm_jax.example"
watched = m.watched_jit(product)
E, X = jax.random.normal(jax.random.key(0), (2, 2, 64, 64))
watched(E, X)
(row,) = m.ROWS.values()
print(json.dumps(dataclasses.asdict(row) | {"wrong": row.wrong()}))
"""


@affected
def test_a_miscompiled_program_is_found():
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--{FLAG}=+individual_dot",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run([sys.executable, "-c", WRONG], env=environment, capture_output=True, text=True, check=True)
    row = json.loads(done.stdout)
    assert row["wrong"] and row["safe"] < 1e-5 and (row["pieces"], row["pattern"]) == (1, 1)
    assert row["program"] == "example.product" and row["default_ms"] > 0 and row["safe_ms"] > 0


def test_pieces_of_the_library_are_counted_in_the_text_of_a_program():
    text = """
%fused_a (p: f32[2]) -> f32[2] {
  %dot.1 = f32[2]{0} dot(%a, %b)
  ROOT %sum = f32[] reduce(%dot.1, %zero)
}
%fused_b (p: f32[2]) -> f32[2] {
  ROOT %dot.2 = f32[2]{0} dot(%a, %b)
}
ENTRY %main (p: f32[2]) -> f32[2] {
  %f = f32[2]{0} fusion(%x), kind=kCustom, calls=%fused_a, backend_config={"fusion_config":{"kind":"__ynn_fusion"}}
  %g = f32[2]{0} fusion(%x), kind=kCustom, calls=%fused_b, backend_config={"fusion_config":{"kind":"__ynn_fusion"}}
  ROOT %h = f32[2]{0} fusion(%x), kind=kLoop, calls=%fused_b
}
"""
    assert library_pieces(text) == (2, 1)
