"""`kalm get-llm` and the commands that take a language model by its name: one line for what cannot be."""

import pytest

from kalm_jax.cli.main import run
from kalm_jax.llm.hf.folder import BUILTIN, check_folder
from tests.llm.gguf_files import byte_pairs, random_model, write_gguf
from tests.llm.hf.test_gguf_model import MERGES, TOKENS


def said(capsys, *argv):
    """Exit status and error of a command that must fail."""
    with pytest.raises(SystemExit) as stopped:
        run(argv[0], list(argv[1:]))
    err, code = capsys.readouterr().err, stopped.value.code
    return (1, err + code) if isinstance(code, str) else (code, err)


def test_a_gguf_file_becomes_a_folder_that_is_kept(tmp_path, capsys):
    config, tensors = random_model("qwen3", len(TOKENS))
    path, folder = tmp_path / "model.gguf", tmp_path / "folder"
    write_gguf(path, config, tensors, tokenizer=lambda writer: byte_pairs(writer, TOKENS, MERGES))
    run("get-llm", [str(path), f"--output={folder}", "--dtype=float32"])
    assert f"use it with --llm={folder}" in capsys.readouterr().out and check_folder(folder).qk_norm
    assert "a small model, license not given by the file" in (folder / "README.md").read_text()
    run("get-llm", [str(path), f"--output={folder}", "--dtype=float32"])
    assert capsys.readouterr().out == f"{folder} is there already, made by the same command before; it is kept\n"
    code, error = said(capsys, "get-llm", str(path), f"--output={folder}")
    assert code == 1 and "holds another model (model.gguf in float32)" in error


@pytest.mark.parametrize(
    "argv, message",
    [
        (["smollm3"], "smollm3: there is no such GGUF file, and the models that have a name are smollm2"),
        ([], "want NAME or MODEL.gguf"),
        (["{text}"], "--output is required for a GGUF file"),
        (["{text}", "--output={folder}/new"], "it is no GGUF file, as it begins with b'Once upo'"),
        (["{folder}", "--output={folder}/new"], "is a folder, want a file"),
        (["smollm2", "--output={text}"], "is a file, and a folder is wanted"),
        (["smollm2", "--output={folder}"], "exists and was not made by this command"),
        (["smollm2", "--dtype=int8"], "--dtype=int8: want one of bfloat16, float32"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(argv, message, tmp_path, capsys):
    text = tmp_path / "text.gguf"
    text.write_text("Once upon a time")
    code, error = said(capsys, "get-llm", *(word.format(text=text, folder=tmp_path) for word in argv))
    assert code in (1, 2) and message in error and "Traceback" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["text.gguf"]


@pytest.mark.parametrize("command", ["clevr", "metaworld", "ablation", "check-llm"])
def test_a_name_that_is_none_is_refused_with_those_that_are(command, capsys):
    code, error = said(capsys, command, "--llm=smollm3")
    assert code == 2 and "--llm=smollm3: no config.json there, and it is none of the names smollm2" in error


def test_a_text_is_completed_without_torch(capsys):
    run("check-llm", [f"--llm={BUILTIN}", "--prompt=push the red ball", "--tokens=8"])
    assert capsys.readouterr().out.strip().startswith("push the red ball")
    code, error = said(capsys, "check-llm", "--prompt=red", "--tokens=60000")
    assert code == 1 and "positions of --prompt and --tokens" in error
