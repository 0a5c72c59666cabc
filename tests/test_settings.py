"""Fields that check themselves: kinds, ranges, what is converted, and what an error says."""

import dataclasses

import numpy as np
import pytest

from kalm_jax.settings import Checked, build, check_repeated, read_setting, setting, settings_of


@dataclasses.dataclass(frozen=True)
class Part(Checked):
    share: float = setting(0.5, "A share.", above=0, below=1)


@dataclasses.dataclass(frozen=True)
class Whole(Checked):
    count: int = setting(4, "How many.", low=0, high=100, multiple=4)
    rate: float = setting(0.1, "How fast.", above=0, high=1)
    names: tuple[str, ...] = setting(("a",), "Which.", choices=("a", "b"), importable=True)
    widths: tuple[int, ...] = setting((8, 8), "How wide.", low=1, high=64, filled=True)
    where: str = setting("x", "Where.", filled=True)
    limit: float | None = setting(None, "At most.", low=0, high=9)
    mode: bool = setting(True, "How.", words={"fast": True, "slow": False})
    part: Part = Part()


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"count": 6}, "Whole.count is 6, want a multiple of 4 from 0 to 100"),
        ({"count": 2**70}, "Whole.count is 1180591620717411303424, want a multiple of 4 from 0 to 100"),
        ({"count": 10**5000}, "Whole.count is a number of thousands of digits, want a multiple of 4 from 0 to 100"),
        ({"count": 4.0}, "Whole.count is 4, want a multiple of 4 from 0 to 100"),
        ({"count": True}, "Whole.count is True, want a multiple of 4 from 0 to 100"),
        ({"rate": 0}, "Whole.rate is 0, want a finite number above 0 and at most 1"),
        ({"rate": float("nan")}, "Whole.rate is nan, want a finite number above 0 and at most 1"),
        ({"rate": 10**400}, f"Whole.rate is {10**59}..., want a finite number above 0 and at most 1"),
        ({"rate": np.array([0.1])}, "Whole.rate is array([0.1]), want a finite number above 0 and at most 1"),
        ({"names": "a"}, "Whole.names is 'a', want a tuple, such as ('a',); one of a, b, comma-separated, or an import "
         "path, which contains a dot"),
        ({"names": ("a", "a")}, "Whole.names is ('a', 'a'), want each of them once"),
        ({"names": ("../a.b",)}, "Whole.names is ('../a.b',), want one of a, b, comma-separated, or an import path, "
         "which contains a dot"),
        ({"names": (1.5,)}, "Whole.names is (1.5,), want one of a, b, comma-separated, or an import path, which "
         "contains a dot"),
        ({"widths": 8}, "Whole.widths is 8, want integers from 1 to 64 in a tuple, such as (8, 8)"),
        ({"widths": ()}, "Whole.widths is (), want integers from 1 to 64 in a tuple, such as (8, 8)"),
        ({"widths": (8, 0)}, "Whole.widths is (8, 0), want integers from 1 to 64 in a tuple, such as (8, 8)"),
        ({"where": "  "}, "Whole.where is '  ', want a text that is not empty"),
        ({"where": 3}, "Whole.where is 3, want a text that is not empty"),
        ({"limit": -1}, "Whole.limit is -1, want a finite number from 0 to 9, or None"),
        ({"mode": "fast"}, "Whole.mode is 'fast', want one of True, False"),
        ({"part": None}, "Whole.part is None, want Part(...)"),
        ({"part": 0.5}, "Whole.part is 0.5, want Part(...)"),
        ({"part": {"share": 1.0}}, "Part.share is 1, want a finite number above 0 and below 1"),
    ],
)  # fmt: skip
def test_what_a_field_does_not_allow_is_named(wrong, said):
    with pytest.raises(ValueError) as refused:
        build(Whole, wrong)
    assert str(refused.value) == said


def test_values_of_numpy_paths_and_lists_are_kept_as_pythons(tmp_path):
    given = {"count": np.int64(8), "rate": np.float32(0.5), "names": ["a", "b.c"], "widths": [np.int32(3)]}
    made = Whole(**given, where=tmp_path, limit=1, mode=np.bool_(False), part=Part(np.float64(0.25)))
    assert made == Whole(8, 0.5, ("a", "b.c"), (3,), str(tmp_path), 1.0, False, Part(0.25))
    kinds = [type(getattr(made, name)) for name in ("count", "rate", "where", "limit", "mode")]
    assert kinds == [int, float, str, float, bool] and type(made.widths[0]) is int


def test_parts_are_built_from_mappings_and_lists():
    given = {"widths": [1, 2], "part": {"share": 0.25}}
    assert build(Whole, given) == Whole(widths=(1, 2), part=Part(0.25))
    with pytest.raises(ValueError, match="Whole has no field 'counts'; it has count"):
        build(Whole, {"counts": 1})
    assert [field.name for field in settings_of(Whole)] == [
        "count", "rate", "names", "widths", "where", "limit", "mode"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text, value",
    [
        ("bc.alpha=nan", float("nan")), ("bc.alpha=-inf", float("-inf")), ("bc.alpha=1e400", float("inf")),
        ("bc.hidden=256", 256), ("bc.hidden=256,256", (256, 256)), ("bc.hidden=[8]", (8,)), ("bc.a={[]:1}", "{[]:1}"),
        ("bc.a=" + "(" * 5000, "(" * 5000), ("bc.a=None", None),
    ],
)  # fmt: skip
def test_a_learners_setting_is_read_whatever_it_says(text, value):
    np.testing.assert_equal(read_setting(text)[2], value)


@pytest.mark.parametrize("text", ["bc.alpha", "=3", "bc.=3", "a={1}", "a=b'x'", "a=1j", "a=(1,(2,))", "a-b=1"])
def test_a_learners_setting_of_another_form_is_refused(text):
    with pytest.raises(ValueError, match="FIELD=VALUE, such as"):
        read_setting(text)


@pytest.mark.parametrize(
    "texts, said",
    [
        (["td3bc.alpha=1", "td3bc.alpha=2"], "--set=td3bc.alpha is given twice: leave one of them out"),
        (["alpha=1", "alpha=1"], "--set=alpha is given twice"),
        (["td3bc.alpha=1", "alpha=2"], "--set=alpha replaces --set=td3bc.alpha, which comes before it: leave one"),
    ],
)
def test_a_learners_setting_that_another_one_replaces_is_refused(texts, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        check_repeated([read_setting(text) for text in texts])


def test_a_learners_setting_may_differ_from_that_of_the_others():
    check_repeated([read_setting(text) for text in ("alpha=1", "td3bc.alpha=2", "bc.alpha=3", "td3bc.hidden=(8,)")])
