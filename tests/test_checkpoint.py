"""Checkpoints of named pytrees: everything comes back bit for bit, whole, and in the caller's types."""

import dataclasses
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kalm_jax.checkpoint import Checkpoints


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class State:
    """A state with everything that a training state may hold."""

    params: dict
    optimizer: optax.OptState
    key: jax.Array
    nothing: jax.Array | None
    empty: jax.Array


def make_state(seed: int = 0) -> State:
    params = {"layer": {"kernel": jax.random.normal(jax.random.key(seed), (2, 3)), "bias": jnp.ones(3, jnp.bfloat16)}}
    keys = jax.random.split(jax.random.key(seed), 2)
    return State(params, optax.adam(1e-3).init(params), keys, None, jnp.zeros((2, 0)))


def assert_same(found: State, want: State) -> None:
    assert jax.tree.structure(found.params) == jax.tree.structure(want.params)
    assert jnp.array_equal(jax.random.key_data(found.key), jax.random.key_data(want.key))
    rest = [dataclasses.replace(x, key=None) for x in (found, want)]
    jax.tree.map(np.testing.assert_array_equal, *rest)


@pytest.mark.parametrize("on_host", [False, True])
def test_trees_come_back_bit_for_bit_with_typed_keys_and_empty_arrays(tmp_path, on_host):
    with Checkpoints(tmp_path / "new" / "folder", on_host=on_host) as checkpoints:
        assert checkpoints.latest_step() is None and checkpoints.steps() == []
        checkpoints.save(3, {"state": make_state(0), "table": {"x": np.arange(3)}}, {"curve": [1.5, {"a": None}]})
    with Checkpoints(tmp_path / "new" / "folder", on_host=on_host) as checkpoints:
        assert checkpoints.steps() == [3] and checkpoints.metadata(3) == {"curve": [1.5, {"a": None}]}
        like = jax.eval_shape(make_state) if on_host else make_state(1)
        found = checkpoints.restore(3, {"state": like, "table": {"x": np.zeros(3, int)}})
    assert_same(found["state"], make_state(0))
    np.testing.assert_array_equal(found["table"]["x"], np.arange(3))
    kind = np.ndarray if on_host else jax.Array
    assert isinstance(found["state"].params["layer"]["kernel"], kind)


def test_the_newest_are_kept_and_a_half_written_one_is_not_seen(tmp_path):
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, {"state": make_state(step)})
        assert checkpoints.steps() == [2, 3]
        checkpoints.save(4, {"state": make_state(4)})
    (tmp_path / "4" / "_CHECKPOINT_METADATA").unlink()
    (tmp_path / "4").rename(tmp_path / "4.orbax-checkpoint-tmp-1")
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step() == 3
        assert_same(checkpoints.restore(3, {"state": make_state()})["state"], make_state(3))


def test_another_structure_is_refused(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, {"state": make_state()})
        with pytest.raises(ValueError, match="structures do not match"):
            checkpoints.restore(1, {"state": {"x": jnp.zeros(2)}})


def largest_file(folder):
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def halve(folder):
    file = largest_file(folder)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: halve(folder / "3"),
        lambda folder: largest_file(folder / "3").write_bytes(b""),
        lambda folder: (
            shutil.rmtree(folder / "3" / "state"),
            shutil.copytree(folder / "2" / "state", folder / "3" / "state"),
        ),
        lambda folder: (folder / "3" / "metadata" / "metadata").write_text("{"),
        lambda folder: shutil.rmtree(folder / "3" / "state"),
        lambda folder: (folder / "3.files.json").write_text("{"),
    ],
)
def test_a_damaged_checkpoint_is_replaced_by_the_one_before(tmp_path, damage, capsys):
    with Checkpoints(tmp_path) as checkpoints:
        for step in (2, 3):
            checkpoints.save(step, {"state": make_state(step)})
    damage(tmp_path)
    with Checkpoints(tmp_path, on_host=True, reading=True) as checkpoints:
        assert checkpoints.steps() == [2]
        assert (tmp_path / "3").exists() and not capsys.readouterr().out
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step() == 2
        said = capsys.readouterr().out
        assert said.count("\n") == 1 and str(tmp_path / "3") in said and "deleted and made again" in said
        assert_same(checkpoints.restore(2, {"state": make_state()})["state"], make_state(2))
        checkpoints.save(3, {"state": make_state(3)})
        assert checkpoints.latest_step() == 3


def test_a_damaged_checkpoint_that_was_never_listed_is_named(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, {"state": make_state()})
    (tmp_path / "1.files.json").unlink()
    halve(tmp_path / "1")
    (tmp_path / "1" / "metadata" / "metadata").write_text("{")
    with Checkpoints(tmp_path) as checkpoints:
        for read in (lambda: checkpoints.restore(1, {"state": make_state()}), lambda: checkpoints.metadata(1)):
            with pytest.raises(ValueError, match=r"/1 is damaged .*delete it and run the same command again"):
                read()


def test_readers_make_no_folder_and_writers_remove_what_was_not_finished(tmp_path):
    with pytest.raises(FileNotFoundError, match="none: there are no checkpoints"):
        Checkpoints(tmp_path / "none", reading=True)
    (tmp_path / "4.orbax-checkpoint-tmp").mkdir()
    with Checkpoints(tmp_path, reading=True):
        assert [path.name for path in tmp_path.iterdir()] == ["4.orbax-checkpoint-tmp"]
    with Checkpoints(tmp_path):
        assert not list(tmp_path.iterdir())


def test_checkpoints_beyond_a_step_can_be_dropped(tmp_path, capsys):
    with Checkpoints(tmp_path, keep=None) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, {"state": make_state(step)})
        checkpoints.keep_until(1)
        assert checkpoints.latest_step() == 1 and capsys.readouterr().out.count("\n") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "1.files.json"]


def test_the_checksum_of_arrays_is_theirs_whatever_bytes_are_written(tmp_path):
    said = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        with Checkpoints(tmp_path / name, on_host=True) as checkpoints:
            checkpoints.save(3, {"state": make_state(seed)})
        said.append((tmp_path / name / "3.content.json").read_text())
    assert said[0] == said[1] != said[2]
