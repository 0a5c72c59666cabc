"""What is installed: the package with all its data, and nothing else."""

import pathlib
import tomllib

import kalm_jax
from tests.paths import ROOT

METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGE = pathlib.Path(kalm_jax.__file__).parent


def test_every_data_file_is_installed():
    patterns = METADATA["tool"]["setuptools"]["package-data"]["kalm_jax"]
    matched = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    present = {p for p in PACKAGE.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")}
    assert present - matched == set()


def test_only_the_package_is_installed_and_every_folder_with_code_is_a_part_of_it():
    assert METADATA["tool"]["setuptools"]["packages"]["find"]["include"] == ["kalm_jax", "kalm_jax.*"]
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_the_version_is_the_same_everywhere():
    version = kalm_jax.__version__
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"version = {{{version}}}" in (ROOT / "docs" / "citing.md").read_text()
    assert f"## {version} " in (ROOT / "CHANGELOG.md").read_text()
