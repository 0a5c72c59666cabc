"""HDF5 and .npz files that mislead: links out of the file, sizes that are not there, objects, damage of every kind."""

import io
import os
import zipfile

import h5py
import numpy as np
import pytest

from kalm_jax.datasets import read_rollouts
from kalm_jax.datasets.arrays import sentences

DATA = {
    "observations": np.arange(7.0)[:, None],
    "actions": np.zeros(7, int),
    "rewards": np.ones(7),
    "terminals": np.array([0, 0, 1, 0, 0, 0, 0]),
    "timeouts": np.array([0, 0, 0, 0, 1, 0, 0]),
}


def written(path, **changes):
    """The data in a file, some entries changed, or left out where they are None."""
    data = {k: v for k, v in {**DATA, **changes}.items() if v is not None}
    if path.suffix == ".npz":
        np.savez(path, **data)
    else:
        with h5py.File(path, "w") as file:
            for name, value in data.items():
                file.create_dataset(name, data=value, chunks=True, compression="gzip")
    return path


def in_place_of_observations(make):
    """A damage of an HDF5 file: the data move to "real", and something else stands for them."""

    def damage(file):
        file["real"] = file["observations"][()]
        del file["observations"]
        make(file)

    return damage


def put(value):
    return lambda file: file.__setitem__("observations", value)


def virtual(file):
    layout = h5py.VirtualLayout((7, 1), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "observations", (7, 1))
    file.create_virtual_dataset("observations", layout)


def through_a_group(file):
    file["elsewhere"] = h5py.ExternalLink("other.h5", "/")
    file["observations"] = h5py.SoftLink("/elsewhere/observations")


def chasing_each_other(file):
    file["observations"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/observations")


def of_size(shape, **options):
    return lambda file: file.create_dataset("observations", shape, "f8", **options)


MISLEADING = {
    "external link": (put(h5py.ExternalLink("other.h5", "x")), "a link to the file other"),
    "external link behind a soft link": (through_a_group, "a link to the file other"),
    "virtual": (virtual, "keeps its data in other files"),
    "external storage": (of_size((7, 1), external=[("/etc/hostname", 0, 56)]), "keeps its data in other files"),
    "7 TiB in chunks": (of_size((10**12, 1), chunks=(1000, 1)), "declares 8,000,000,000,000 bytes, but the file holds"),
    "7 TiB at once": (of_size((10**12, 1)), "declares 8,000,000,000,000 bytes, but the file holds"),
    "link to itself": (put(h5py.SoftLink("/observations")), "leads back to itself"),
    "links in a circle": (chasing_each_other, "leads back to itself"),
    "link to nothing": (put(h5py.SoftLink("/no")), "which the file does not have"),
    "group": (lambda f: f.create_group("observations"), "has no observations"),
    "no data": (put(h5py.Empty("f4")), "has no observations"),
    "ragged": (lambda f: f.create_dataset("observations", (7, 1), h5py.vlen_dtype("f8")), "type object"),
    "texts": (lambda f: f.create_dataset("observations", data=[["a"]] * 7), "has type object, want numbers"),
}


@pytest.mark.parametrize("case", MISLEADING)
def test_hdf5_that_misleads_is_refused_by_name(tmp_path, case):
    make, words = MISLEADING[case]
    path = written(tmp_path / "r.h5")
    written(tmp_path / "other.h5")
    with h5py.File(path, "a") as file:
        in_place_of_observations(make)(file)
    with pytest.raises(ValueError, match=rf"r\.h5: .*{words}"):
        read_rollouts(path)


@pytest.mark.parametrize("place", ["/real", "real"])
def test_links_inside_a_file_are_followed(tmp_path, place):
    path = written(tmp_path / "r.h5")
    with h5py.File(path, "a") as file:
        in_place_of_observations(put(h5py.SoftLink(place)))(file)
    assert read_rollouts(path)[0].length.tolist() == [3, 1, 1]


class Trap:
    """What runs code when a pickle of it is loaded as usual."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_objects_in_npz_run_nothing_and_are_named(tmp_path):
    path = written(tmp_path / "r.npz", rewards=np.array([Trap(tmp_path / "ran")] * 7, object))
    with pytest.raises(ValueError, match=r"r\.npz: rewards holds Python objects \(contains the name posix\.mkdir"):
        read_rollouts(path)
    written(path, rewards=np.array([1, None] * 3 + [2], object))
    with pytest.raises(ValueError, match="rewards has type object, want numbers"):
        read_rollouts(path)
    written(path, infos=np.array([Trap(tmp_path / "ran")] * 7, object))  # an entry that nobody asks for
    assert read_rollouts(path)[0].length.tolist() == [3, 1, 1]
    assert not (tmp_path / "ran").exists()


def test_npz_that_declares_what_it_does_not_hold(tmp_path):
    with zipfile.ZipFile(tmp_path / "r.npz", "w") as archive:
        for name, value in DATA.items():
            buffer = io.BytesIO()
            np.save(buffer, value)
            content = buffer.getvalue()
            if name == "observations":
                content = content.replace(b"(7, 1), }      ", b"(9999999, 1), }")
            archive.writestr(f"{name}.npy", content)
    with pytest.raises(
        ValueError, match=r"observations declares \(9999999, 1\) of float64, 79999992 bytes, but has 56"
    ):
        read_rollouts(tmp_path / "r.npz")


@pytest.mark.parametrize("extension", [".h5", ".npz"])
def test_files_cut_short_or_of_another_kind(tmp_path, extension):
    content = written(tmp_path / f"whole{extension}").read_bytes()
    path = tmp_path / f"r{extension}"
    for part in (b"", content[:1], content[:100], content[: len(content) // 2], content[:-1], b"{}", b"\x93NUMPY"):
        path.write_bytes(part)
        with pytest.raises(ValueError, match=rf"r\{extension}: not a complete"):
            read_rollouts(path)


@pytest.mark.parametrize("extension", [".h5", ".npz", ".npy"])
def test_what_is_no_file(tmp_path, extension):
    path = tmp_path / f"r{extension}"
    path.mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder, want a file"):
        read_rollouts(path)
    path.rmdir()
    path.symlink_to("nothing")
    with pytest.raises(FileNotFoundError, match="a link to a file that is missing"):
        read_rollouts(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(OSError, match="a device or a pipe, want a file"):
        read_rollouts(path)


def test_texts_of_no_letters_are_refused_whatever_their_number():
    """An array of such a type takes no bytes, so a tiny file can announce billions of them."""
    announced = np.ndarray((2_000_000_000,), np.dtype("<U0"))
    with pytest.raises(ValueError, match=r"big\.npz: goals/text holds texts without letters"):
        sentences("big.npz", "goals/text", announced)
