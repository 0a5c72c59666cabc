"""Progress lines: what they say, how often they are written, and how they end."""

import io
import time

import pytest

from kalm_jax.progress import Progress, format_value


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def run(stream, steps, **options):
    with Progress("ground", steps, stream, **options) as progress:
        for step in range(options.get("initial", 0), steps):
            progress.update(step + 1, loss=1.0 / (step + 1))
    return stream.getvalue()


def test_a_plain_stream_gets_lines_that_say_how_far_and_how_good():
    lines = run(io.StringIO(), 4, seconds=0).splitlines()
    assert "\r" not in "".join(lines)
    assert [line.split()[:3] for line in lines[1:4]] == [["ground:", f"{25 * i}%", f"{i}/4"] for i in (1, 2, 3)]
    assert "loss 0.3333" in lines[3] and ("steps/s" in lines[3] or "s/step" in lines[3])
    assert lines[-1].split()[:3] == ["ground:", "100%", "4/4"]


@pytest.mark.parametrize("steps, said", [(5000, "rollouts/s"), (1, "s/rollout")])
def test_the_speed_has_the_unit_and_is_a_time_where_it_is_slow(steps, said):
    stream = io.StringIO()
    with Progress("imagine", steps, stream, unit="rollout") as progress:
        if steps == 1:
            time.sleep(1.05)
        progress.update(steps, matched="19%")
    last = stream.getvalue().splitlines()[-1]
    assert f" {said}" in last.replace("[", " ") and "matched 19%" in last, last


def test_a_plain_stream_is_not_flooded():
    assert len(run(io.StringIO(), 10_000).splitlines()) == 2


def test_a_terminal_redraws_one_line(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    text = run(Terminal(), 100, seconds=0)
    assert text.count("\n") == 1 and text.endswith("\n") and text.count("\r") >= 100
    assert "100/100" in text and "loss 0.01" in text
    monkeypatch.setenv("TERM", "dumb")
    assert "\r" not in run(Terminal(), 100, seconds=0)


def test_work_of_an_earlier_run_counts_as_done():
    lines = run(io.StringIO(), 1000, initial=900, seconds=0).splitlines()
    assert lines[0].split()[:3] == ["ground:", "90%", "900/1000"] and "1000/1000" in lines[-1]


def test_work_of_an_earlier_run_may_be_found_later_and_says_nothing_of_the_speed():
    stream = io.StringIO()
    with Progress("ground", 1000, stream, seconds=0) as progress:
        progress.resume(900)
        time.sleep(0.3)
        progress.update(901)
        progress.update(902)
    lines = stream.getvalue().splitlines()
    assert "901/1000" in lines[1] and "902/1000" in lines[-1]
    assert float(lines[1].split(", ")[1].split()[0]) < 4, lines  # not 900 in 0.3 s


def test_an_error_inside_is_passed_on_and_the_last_state_shown():
    stream = io.StringIO()
    with pytest.raises(KeyError), Progress("collect", 10, stream) as progress:
        progress.update(3)
        raise KeyError("ball")
    assert stream.getvalue().splitlines()[-1].split()[:2] == ["collect:", "30%"]


def test_metrics_are_not_looked_at_before_a_line_is_drawn():
    class Value:
        looks = 0

        def __float__(self):
            self.looks += 1
            return 1.0

    value = Value()
    with Progress("learn", 1000, io.StringIO()) as progress:
        for step in range(1000):
            progress.update(step + 1, loss=value)
        assert value.looks == 0
    assert value.looks > 0


def test_a_stage_without_work_ends():
    stream = io.StringIO()
    with Progress("imagine", 0, stream):
        pass
    assert stream.getvalue().startswith("imagine:") and "0/0" in stream.getvalue()


@pytest.mark.parametrize(("total", "initial"), [(-1, 0), (5, 6), (5, -1)])
def test_impossible_counts_are_refused_by_name(total, initial):
    with pytest.raises(ValueError, match=r"'learn'.*initial.*total"):
        Progress("learn", total, io.StringIO(), initial=initial)


def test_values():
    shown = [format_value(v) for v in (3, 3.0, 0.123456, 1e-7, float("nan"), "bc")]
    assert shown == ["3", "3", "0.1235", "1e-07", "nan", "bc"]
