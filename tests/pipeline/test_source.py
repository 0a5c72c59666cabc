"""What code a stage depends on: other code makes it again, other comments do not."""

import json

from kalm_jax.pipeline import run_folder, source


def test_other_code_redoes_a_stage_and_other_comments_do_not(tmp_path, monkeypatch):
    said, made = [], []
    monkeypatch.syspath_prepend(tmp_path)

    def job(body):
        (tmp_path / "own_learner_for_test.py").write_text(body)
        source._read.cache_clear()
        run = run_folder.RunFolder(tmp_path / "run", say=said.append)
        run.stage("learn", {}, [], lambda f: made.append(1), modules=["own_learner_for_test"])

    job('"""One."""\nRATE = 1\n')
    job('"""Other words."""\n# And a comment.\nRATE = 1\n')
    assert len(made) == 1
    job("RATE = 2\n")
    assert (
        len(made) == 2
        and said[-1] == "learn: starts again, because code changed: own_learner_for_test (its files are deleted)"
    )
    for name in ("begun.json", "done.json"):  # a folder of version 0.1.0, which knew nothing of code
        old = {"fingerprint": "0", "settings": {}, "seconds": 1.0, "files": {}}
        (tmp_path / "run" / "learn" / name).write_text(json.dumps(old))
    job("RATE = 2\n")
    assert (
        len(made) == 3
        and said[-1] == "learn: starts again, because another version of kalm_jax made it (its files are deleted)"
    )


def test_code_that_a_stage_uses_is_found_through_its_imports():
    code = source.source_hashes(["kalm_jax.pipeline.stages.ground", "kalm_jax.worlds.clevr.world"])
    assert {"kalm_jax.grounding.trainer", "kalm_jax.llm.lora", "kalm_jax.worlds.clevr.text"} <= set(code)
    assert "kalm_jax.worlds.clevr/data/words.txt" in code
    assert not [name for name in code if name.startswith(("kalm_jax.report", "kalm_jax.worlds.metaworld"))]
    assert not [name for name in code if name.startswith("kalm_jax.offline_rl.algorithms")]
    code = source.source_hashes(["kalm_jax.pipeline.stages.learn", "examples.own_world"])
    assert {"kalm_jax.offline_rl.algorithms.td3bc", "examples.own_world"} <= set(code)


def test_code_of_a_users_package_counts_whatever_its_names(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lp_for_test").mkdir()
    files = {
        "__init__": "",
        "learner": "from .helper import X\nfrom . import files\n",
        "helper": "X = 1",
        "files": "Y = 2",
    }
    for name, code in files.items():
        (tmp_path / "lp_for_test" / f"{name}.py").write_text(code)
    assert set(source.source_hashes(["lp_for_test.learner"])) == {
        "lp_for_test", "lp_for_test.learner", "lp_for_test.helper", "lp_for_test.files"
    }  # fmt: skip
