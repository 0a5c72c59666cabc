"""Files that are written whole or not at all."""

import numpy as np
import pytest

from kalm_jax.files import (
    describe_files,
    find_damage,
    read_csv,
    read_json,
    read_json_lines,
    read_npy,
    read_npz,
    replacing,
    replacing_folder,
    write_csv,
    write_json,
    write_json_lines,
    write_npy,
    write_npz,
    write_text,
)


def test_an_error_while_writing_leaves_the_file_of_before(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"b": 1, "a": [2.5, None]})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    with pytest.raises(KeyError), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert read_json(path) == {"a": [2.5, None], "b": 1}
    assert path.read_text().startswith('{\n  "a": [')
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_what_cannot_be_written_is_named_and_kept(tmp_path):
    (tmp_path / "a.csv").mkdir()
    (tmp_path / "a.csv" / "mine").write_text("precious")
    (tmp_path / "file").write_text("precious")
    for name, said in {"a.csv": "is a folder, and a file is written there", "file/b": "cannot be written"}.items():
        with pytest.raises(OSError, match=f"^{tmp_path / name} {said}"):
            write_text(tmp_path / name, "new")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.csv", "file", "mine"]


def test_json_that_is_missing_or_damaged(tmp_path):
    assert read_json(tmp_path / "none.json") is None and read_json_lines(tmp_path / "none.jsonl") == []
    (tmp_path / "half.json").write_text('{"a": ')
    with pytest.raises(ValueError, match=r"half\.json is damaged .*run the same command again"):
        read_json(tmp_path / "half.json")


def test_rows_come_back(tmp_path):
    rows = [{"step": 1, "loss": 0.1}, {"step": 2, "loss": 1e-7}]
    write_json_lines(tmp_path / "curve.jsonl", rows)
    assert read_json_lines(tmp_path / "curve.jsonl") == rows
    write_csv(tmp_path / "new" / "rows.csv", ["step", "loss"], rows)
    assert read_csv(tmp_path / "new" / "rows.csv") == [{k: str(v) for k, v in row.items()} for row in rows]
    with pytest.raises(ValueError, match="other"):
        write_csv(tmp_path / "new" / "rows.csv", ["step", "loss"], [{"other": 1}])


READERS = {
    "a.json": (lambda path: read_json(path, dict), lambda path: write_json(path, {"a": [1, 2]})),
    "a.jsonl": (read_json_lines, lambda path: write_json_lines(path, [{"a": 1}, {"a": 2}])),
    "a.csv": (lambda path: read_csv(path, a=int), lambda path: write_csv(path, ["a", "b"], [{"a": 1, "b": 2}] * 9)),
    "a.npy": (read_npy, lambda path: write_npy(path, np.arange(100.0))),
    "a.npz": (read_npz, lambda path: write_npz(path, x=np.arange(100.0), y=np.ones(3))),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "content", ["half", b"", b"[3]", b'"text"', b"\xff\xfe\x00", b"PK\x03\x04", b"\x93NUMPY\x01\x00", "folder"]
)
def test_a_file_that_cannot_be_read_is_named_with_the_remedy(tmp_path, name, content):
    read, write = READERS[name]
    path = tmp_path / name
    write(path)
    read(path)
    if content == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 1] if content == "half" else content)
    if (name, content) == ("a.jsonl", b""):
        return  # no rows
    said = rf"{name} is damaged \(.+\); delete it and run the same command again"
    with pytest.raises(ValueError, match=said) as refused:
        read(path)
    assert "you trust" not in str(refused.value) and str(refused.value).count(str(path)) == 1


def test_numpys_files_come_back(tmp_path):
    write_npy(tmp_path / "a.npy", np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(read_npy(tmp_path / "a.npy"), [[0, 1, 2], [3, 4, 5]])
    write_npz(tmp_path / "a.npz", x=np.ones(2), y=np.array(3))
    assert read_npz(tmp_path / "a.npz").keys() == {"x", "y"} and read_npz(tmp_path / "a.npz")["y"] == 3
    for read, name in ((read_npy, "b.npy"), (read_npz, "b.npz"), (read_csv, "b.csv")):
        with pytest.raises(FileNotFoundError, match=f"{name} is missing; run the same command again"):
            read(tmp_path / name)


def test_damage_is_found_in_files_that_were_described(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a", "deep/b", "left_out", ".hidden"):
        (tmp_path / name).write_text("0123456789")
    described = describe_files(tmp_path, without=["left_out"])
    assert set(described) == {"a", "deep/b"} and find_damage(tmp_path, described) == ""
    (tmp_path / "new").write_text("nothing wrong")
    assert find_damage(tmp_path, described) == ""
    (tmp_path / "deep" / "b").write_text("0123456780")
    assert find_damage(tmp_path, described) == "deep/b has changed"
    (tmp_path / "a").write_text("012")
    assert find_damage(tmp_path, described) == "a has 3 bytes and 10 were written"
    (tmp_path / "a").unlink()
    assert find_damage(tmp_path, described) == "a is missing"
    for wrong in ([], None, {"new": 3}, {"new": [13]}):
        assert find_damage(tmp_path, wrong)


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "deep" / "folder"
    with pytest.raises(KeyError), replacing_folder(path) as folder:
        (folder / "a").write_text("half")
        raise KeyError
    assert not (tmp_path / "new").exists()
    (tmp_path / ".writing-999999999-folder").mkdir()  # of a process that was killed
    path = tmp_path / "folder"
    path.mkdir()
    with replacing_folder(path) as folder:
        (folder / "a").write_text("whole")
        assert not list(path.iterdir())
    assert (path / "a").read_text() == "whole" and [p.name for p in tmp_path.iterdir()] == ["folder"]
    with pytest.raises(FileExistsError, match="folder cannot be replaced"), replacing_folder(path) as folder:
        (folder / "a").write_text("other")
    assert (path / "a").read_text() == "whole" and [p.name for p in tmp_path.iterdir()] == ["folder"]
