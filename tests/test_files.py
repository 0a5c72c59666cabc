"""Files that are written whole or not at all."""

import pytest

from kalm_jax.files import read_csv, read_json, read_json_lines, replacing, write_csv, write_json, write_json_lines


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
