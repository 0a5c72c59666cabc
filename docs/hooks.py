"""Pages of the site that are made while it is built: those of the repository's root, the CLI and the API reference."""

from __future__ import annotations

import dataclasses
import importlib
import pathlib
import re
import subprocess
import sys

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = pathlib.Path(__file__).parents[1]

ROOT_PAGES = {
    "ARCHITECTURE.md": "architecture.md",
    "BENCHMARKS.md": "benchmarks.md",
    "BUILD.md": "development.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "RESULTS.md": "results.md",
}
"""Files beside `docs/` that are pages of the site as well."""
PACKAGES = {
    "types": "What everything passes: rollouts, goals, episodes.",
    "datasets": "Files of rollouts in and out.",
    "llm": "The language model alone.",
    "llm.hf": "Hugging Face folders.",
    "grounding": "The language model learns to read and write numbers.",
    "imagination": "Rollouts for goals without data.",
    "offline_rl": "Policies from rollouts.",
    "offline_rl.algorithms": "One learner per file.",
    "evaluation": "Policies in the simulator, with intervals.",
    "worlds": "The interface of a world, and Gymnasium environments as worlds.",
    "worlds.clevr": "CLEVR-Robot.",
    "worlds.metaworld": "Meta-world.",
    "pipeline": "The main job.",
    "report": "Tables, figures and the page.",
}
"""Packages of the API reference, each a page of its modules."""
RETURNED = ("pipeline.loaded_run.LoadedRun", "pipeline.policies.ActingPolicy", "pipeline.plans.Plan")
RETURNED += ("pipeline.training.TrainingResults",)
"""What functions of the public API return."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the API reference's pages to the navigation."""
    reference = next(section["Reference"] for section in config.nav if "Reference" in section)
    reference.append({"Modules": [{f"kalm_jax.{name}": _api_path(name)} for name in PACKAGES]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages."""
    for name, path in ROOT_PAGES.items():
        files.append(File.generated(config, path, content=_from_root((ROOT / name).read_text())))
    files.append(File.generated(config, "reference/cli.md", content=_cli()))
    files.append(File.generated(config, "reference/api.md", content=_public_api()))
    for name, about in PACKAGES.items():
        files.append(File.generated(config, _api_path(name), content=_modules(name, about)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files of the repository's root become links to their pages; drawings take the page's text color."""
    up = "../" * page.file.src_uri.count("/")
    for name, path in ROOT_PAGES.items():
        markdown = markdown.replace(f"]({up}../{name}", f"]({up}{path}")
    return re.sub(r"!\[[^]]*\]\((images/[\w-]+\.svg)\)", _inline_drawing, markdown)


def _inline_drawing(image: re.Match[str]) -> str:
    """An SVG as a part of the page; its own rule for dark backgrounds is for those who see it as a file."""
    drawing = re.sub(r"<style>.*?</style>\n", "", (ROOT / "docs" / image[1]).read_text())
    return f"<div>\n{drawing}</div>"


def _from_root(text: str) -> str:
    """A page of the root with its links as seen from `docs/`."""
    for name, path in ROOT_PAGES.items():
        text = text.replace(f"]({name}", f"]({path}")
    return text.replace("](docs/", "](")


def _cli() -> str:
    """The reference of all programs, made from the configuration's dataclasses."""
    command = [sys.executable, "-m", "kalm_jax.cli.reference"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def _public_api() -> str:
    """What `kalm_jax` exports, each name documented where it is defined."""
    sys.path.insert(0, str(ROOT))  # this checkout, whether installed or not
    package = importlib.import_module("kalm_jax")
    lines = ["# Public API", "", (package.__doc__ or "").strip(), ""]
    entries = {name: getattr(package, name) for name in package.__all__}
    for name, value in entries.items():
        lines += _entry(name, f"{value.__module__}.{value.__qualname__}")
        if name == "PipelineConfig":
            lines += _settings(value)
    lines += ["## What these return", ""]
    for path in RETURNED:
        lines += _entry(path.rpartition(".")[2], f"kalm_jax.{path}", level=3)
    return "\n".join(lines)


def _settings(config: type) -> list[str]:
    """The parts of a configuration, each with a link to its fields, and where their flags are."""
    parts = [field for field in dataclasses.fields(config) if dataclasses.is_dataclass(field.default)]
    rows = [f"| `{part.name}` | {_link(type(part.default))} | {_first_line(type(part.default))} |" for part in parts]
    flags = "Every field is a flag of [the command line](cli.md), where its meaning and the presets' values are listed."
    return ["| part | class | what it sets |", "|---|---|---|", *rows, "", flags, ""]


def _link(cls: type) -> str:
    return f"[`{cls.__name__}`][{cls.__module__}.{cls.__qualname__}]"


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").partition("\n")[0]


def _entry(name: str, path: str, level: int = 2) -> list[str]:
    """An object of the public API; links to it elsewhere lead to the page of its module."""
    options = {"heading_level": level + 1, "show_root_full_path": True, "skip_local_inventory": True}
    rows = [f"      {key}: {str(value).lower()}" for key, value in options.items()]
    return [f"{'#' * level} {name}", "", f"::: {path}", "    options:", *rows, ""]


def _api_path(name: str) -> str:
    return f"reference/modules/{name.replace('.', '-')}.md"


def _modules(name: str, about: str) -> str:
    """All modules of a package; a folder of grammar or of sub-packages has pages or files of its own."""
    folder = ROOT / "kalm_jax" / name.replace(".", "/")
    modules = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    if name == "pipeline":
        modules += sorted(f"stages.{path.stem}" for path in (folder / "stages").glob("*.py") if path.stem[0] != "_")
    head = [f"# kalm_jax.{name}", "", about, ""]
    return "\n".join(head + [f"::: kalm_jax.{name}.{module}\n" for module in modules])
