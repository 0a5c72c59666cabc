"""Ctrl-C and SIGTERM: one line and the signal's exit code, also where Python runs no code of its own."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tests.paths import ROOT

BEGIN = """
import sys, time
from kalm_jax.cli.stopping import stopping_with
with stopping_with("stopped; the same command carries on"):
    print("ready", flush=True)
"""
WORK = {
    "sleeps": "    time.sleep(600)",
    "computes in C": "    import hashlib; hashlib.pbkdf2_hmac('sha256', b'', b'', 2_000_000_000)",
    "fails on the way": "    try: time.sleep(600)\n    finally: raise ValueError('another error')",
    "swallows it": "    while True:\n        try: time.sleep(600)\n        except KeyboardInterrupt: pass",
    "collects garbage": "    import gc\n    gc.callbacks.append(lambda *_: time.sleep(600))\n    gc.collect()",
    "forgets an object": (
        "    class Slow:\n        def __del__(self): time.sleep(600)\n"
        "    slow = Slow()\n    del slow\n    time.sleep(600)"
    ),
    "calls back": (
        "    import weakref\n    class Held: pass\n    held = Held()\n"
        "    weak = weakref.ref(held, lambda _: time.sleep(600))\n    del held\n    time.sleep(600)"
    ),
    "has threads": (
        "    import concurrent.futures as c\n"
        "    with c.ThreadPoolExecutor() as pool: pool.submit(time.sleep, 600).result()"
    ),
}


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("work", WORK)
def test_a_stop_is_one_line_and_the_exit_code(work, number, code):
    child = subprocess.Popen(
        [sys.executable, "-c", BEGIN + WORK[work]], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.2)
    os.kill(child.pid, number)
    _, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (code, "stopped; the same command carries on\n")


def test_a_stop_while_a_command_is_imported_is_one_line(tmp_path):
    """Nothing that is imported sees an exception: C code of NumPy and JAX crashes where it does."""
    (tmp_path / "slow_command_for_test.py").write_text(
        "import os, time\nprint('ready', flush=True)\ntry: time.sleep(600)\nexcept KeyboardInterrupt: os._exit(7)\n"
    )
    code = "from kalm_jax.cli.main import run; run('slow', [], 'slow_command_for_test')"
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "ready\n"
    os.kill(child.pid, signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (130, "stopped; the same command carries on\n")


def test_the_handler_is_set_before_anything_is_imported_that_takes_time(tmp_path):
    (tmp_path / "command_for_test.py").write_text(
        "import signal, sys\n"
        "slow = {'jax', 'numpy', 'gymnasium', 'absl', 'multiprocessing', 'pathlib', 'typing', 'json'}\n"
        "assert not slow & (set(sys.modules) - sys.before)\n"
        "assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler\n"
        "main = lambda argv: print('worked')\n"
    )
    code = "import sys; sys.before = set(sys.modules)  # of an editable install's hooks\n"
    code += "from kalm_jax.cli.main import run; run('x', [], 'command_for_test')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("worked\n", "")


def test_a_stop_before_the_handler_is_set_is_one_line():
    code = (
        "import kalm_jax.malloc, os, signal, time\n"
        "kalm_jax.malloc.configure_malloc = lambda: (os.kill(os.getpid(), signal.SIGINT), time.sleep(600))\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from kalm_jax.cli.main import run; run('collect', [])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "stopped; the same command starts again\n")


def test_without_a_stop_nothing_changes():
    code = (
        "import signal; before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)\n" + BEGIN + "\n"
        "assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))\n"
        "with stopping_with('x'): raise KeyError('mine')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.endswith("KeyError: 'mine'\n")


def is_running(pid):
    """Whether a process is there and no zombie, which an ended one is where nobody asks for its exit code."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = pathlib.Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


WORKERS = """
import multiprocessing, os, signal, sys, time
from kalm_jax.workers import end_with_parent, without_interrupts

def work():
    end_with_parent()
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it otherwise
    try:
        with without_interrupts():
            multiprocessing.get_context("spawn").Process(target=work).start()
        time.sleep(600)
    except KeyboardInterrupt:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_say_nothing_on_ctrl_c_and_end_with_their_parent(tmp_path):
    (tmp_path / "script.py").write_text(WORKERS)
    child = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    worker = int(child.stdout.readline())
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does: to all of them
    _, said = child.communicate(timeout=60)  # the worker has the same stderr, so this waits for it, too
    assert child.returncode == -signal.SIGKILL and said == ""
    for _ in range(600):
        if not is_running(worker):
            break
        time.sleep(0.1)
    assert not is_running(worker)
