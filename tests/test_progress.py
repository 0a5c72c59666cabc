"""Progress lines: rate and time left against arithmetic, how often they are written, and how they end."""

import io

import pytest

from kalm_jax.progress import Progress, format_seconds, format_value


class Clock:
    """A clock that moves only when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def terminal_size(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")


def run(stream, clock, steps=800, seconds=0.125, **options):
    with Progress("ground", steps, stream, clock=clock, **options) as progress:
        for step in range(steps):
            clock.now += seconds
            progress.update(step + 1, loss=1.0 / (step + 1))


def test_plain_stream_gets_a_line_every_ten_seconds_and_the_last():
    stream, clock = io.StringIO(), Clock()
    run(stream, clock)
    lines = stream.getvalue().splitlines()
    assert "\r" not in stream.getvalue()
    assert len(lines) == 100 // 10 + 1
    assert lines[0].split()[:2] == ["ground", "10%"] and "80/800" in lines[0] and "left 1:30" in lines[0]
    assert "800/800" in lines[-1] and "100%" in lines[-1] and "took 1:40" in lines[-1] and "loss 0.00125" in lines[-1]


def test_terminal_redraws_one_line_a_few_times_per_second():
    stream, clock = Terminal(), Clock()
    run(stream, clock, redraw_seconds=0.25)
    text = stream.getvalue()
    assert text.count("\n") == 1 and text.endswith("\n")
    draws = text.count("\r")
    assert draws == 1 + 100 / 0.25 + 1
    assert all(len(line) <= 99 for line in text.split("\r"))


def test_terminal_line_is_cut_to_the_width_and_wipes_the_longer_one_before(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    stream, clock = Terminal(), Clock()
    with Progress("learn", 10, stream, clock=clock) as progress:
        clock.now += 1
        progress.update(1, critic_loss=0.123, actor_loss=0.456, more="long enough to be cut")
        clock.now += 1
        progress.update(2, short=1)
    drawn = stream.getvalue().split("\r")
    assert max(len(line.rstrip("\n")) for line in drawn) == 79
    screen = ""
    for line in drawn:
        line = line.rstrip("\n")
        screen = line + screen[len(line) :]
    assert "critic" in stream.getvalue() and "critic" not in screen and "short 1" in screen


def test_rate_forgets_a_slow_start():
    stream, clock = io.StringIO(), Clock()
    progress = Progress("imagine", 2000, stream, clock=clock, line_seconds=1.0)
    clock.now += 60.0  # compilation
    progress.update(1)
    for step in range(2, 1001):
        clock.now += 0.1
        progress.update(step)
    assert progress.rate(clock.now) == pytest.approx(10.0, rel=0.05)
    assert "left 1:40" in progress.line(clock.now)


def test_work_of_an_earlier_run_is_shown_but_not_counted_in_the_rate():
    clock = Clock()
    progress = Progress("learn", 1000, io.StringIO(), clock=clock, initial=900)
    clock.now += 5.0
    progress.update(950)
    assert progress.rate(clock.now) == pytest.approx(10.0)
    line = progress.line(clock.now)
    assert "95%" in line and "left 0:05" in line


def test_an_error_inside_is_passed_on_and_the_last_state_shown():
    stream = io.StringIO()
    with pytest.raises(KeyError), Progress("collect", 10, stream, clock=Clock()) as progress:
        progress.update(3)
        raise KeyError("ball")
    assert stream.getvalue().splitlines()[-1].split()[:2] == ["collect", "30%"]


def test_before_any_time_has_passed_the_time_left_is_unknown():
    clock = Clock()
    progress = Progress("learn", 10, io.StringIO(), clock=clock)
    progress.update(5)
    assert "left ?" in progress.line(clock.now) and "nan" not in progress.line(clock.now)


def test_a_stage_without_work_is_complete():
    stream = io.StringIO()
    with Progress("imagine", 0, stream, clock=Clock()):
        pass
    assert "100%" in stream.getvalue() and "0/0" in stream.getvalue()


@pytest.mark.parametrize(("total", "initial"), [(-1, 0), (5, 6), (5, -1)])
def test_impossible_counts_are_refused_by_name(total, initial):
    with pytest.raises(ValueError, match=r"'learn'.*initial.*total"):
        Progress("learn", total, io.StringIO(), initial=initial)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (3599.7, "1:00:00"), (3725, "1:02:05"), (float("inf"), "?")],
)
def test_seconds(seconds, text):
    assert format_seconds(seconds) == text


def test_values():
    shown = [format_value(v) for v in (3, 3.0, 0.123456, 1e-7, 1234567.0, float("nan"), "bc")]
    assert shown == ["3", "3", "0.1235", "1e-07", "1.235e+06", "nan", "bc"]
