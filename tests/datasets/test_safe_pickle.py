"""Reading pickled files without running them: what NumPy writes comes back equal, everything else is refused."""

import collections
import io
import os
import pickle
import struct

import numpy as np
import pytest

from kalm_jax.datasets import safe_pickle
from tests.paths import SHARED_DATA

SAMPLES = sorted((SHARED_DATA).glob("*_sample.npy"))
HEADER = (
    b"\x93NUMPY\x01\x00"
    + struct.pack("<H", 54)
    + b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(53)
    + b"\n"
)


class Calls:
    """Pickles as a call of `function(*args)`, as a malicious file would contain it."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def npy_bytes(thing):
    file = io.BytesIO()
    np.save(file, np.array(thing, dtype=object) if isinstance(thing, dict) else thing, allow_pickle=True)
    return file.getvalue()


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            assert_same(x, y)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape
        if a.dtype == object:
            assert_same(list(a.ravel()), list(b.ravel()))
        else:
            np.testing.assert_array_equal(a, b)
    else:
        assert a == b


def everything():
    rng = np.random.default_rng(0)
    objects = np.empty(3, object)
    objects[:] = ["a", np.arange(3), None]
    return {
        "integer": 3,
        "text": "push the red ball",
        "flag": True,
        "nothing": None,
        "bytes": b"\x00\xff",
        "nested": [(1, 2.5), {"x": [np.float32(0.5), np.int64(7), np.bool_(True)]}],
        "float": rng.normal(size=(4, 5, 2)).astype(np.float32),
        "fortran": np.asfortranarray(rng.normal(size=(3, 4))),
        "big_endian": np.arange(6, dtype=">i4").reshape(2, 3),
        "bool": rng.random((3, 2)) < 0.5,
        "strings": np.array([["left of", "behind"], ["a", "ü"]]),
        "empty": np.zeros((0, 4)),
        "zero_d": np.array(2.5),
        "objects": objects,
        "strided": np.arange(20)[::3],
    }


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_round_trip_of_every_protocol(protocol):
    thing = everything()
    assert_same(safe_pickle.load(pickle.dumps(thing, protocol=protocol)), thing)


@pytest.mark.parametrize("prefix", ["numpy.core", "numpy._core"])
def test_numpy_1_and_2_names(prefix):
    data = pickle.dumps(np.arange(4.0), protocol=2)
    for known in (b"numpy._core", b"numpy.core"):
        data = data.replace(b"c" + known + b".multiarray", b"c" + prefix.encode() + b".multiarray")
    np.testing.assert_array_equal(safe_pickle.load(data), np.arange(4.0))


def test_npy_dictionary_array_and_path(tmp_path):
    thing = everything()
    (tmp_path / "d.npy").write_bytes(npy_bytes(thing))
    assert_same(safe_pickle.load(tmp_path / "d.npy"), thing)
    for array in (thing["float"], thing["fortran"], thing["strings"], thing["objects"], thing["empty"]):
        assert_same(safe_pickle.load(npy_bytes(array)), array)


def test_ordered_dict_becomes_dict():
    assert_same(safe_pickle.load(pickle.dumps(collections.OrderedDict(b=1, a=2))), {"b": 1, "a": 2})


def test_shared_and_python_2_strings():
    part = np.arange(3)
    both = safe_pickle.load(pickle.dumps([part, part]))
    assert both[0] is both[1]
    assert safe_pickle.load(b"\x80\x02U\x03abcq\x00.") == "abc"  # SHORT_BINSTRING, a str of Python 2


@pytest.mark.parametrize(
    "path", SAMPLES or [pytest.param(None, marks=pytest.mark.skip("no sample files here"))], ids=str
)
def test_authors_files(path):
    want = np.load(path, allow_pickle=True).item()
    assert_same(safe_pickle.load(path), want)


def malicious(marker):
    """Named pickles each of which creates the file `marker` if it is run."""
    make = f"open({marker!r}, 'w').close()"
    held = np.empty(2, object)
    held[:] = [1, Calls(os.system, f"touch {marker}")]
    state = pickle.dumps(np.dtype("f4"), protocol=2)
    yield "os.system", pickle.dumps(Calls(os.system, f"touch {marker}"))
    yield "builtins.eval", pickle.dumps(Calls(eval, make))
    yield "builtins.exec in a dictionary", npy_bytes({"observations": Calls(exec, make)})
    yield "inside an array of objects", npy_bytes({"a": held})
    yield "old protocol", pickle.dumps(Calls(os.system, f"touch {marker}"), protocol=0)
    yield "numpy function not on the list", pickle.dumps(Calls(np.save, marker, np.zeros(1)))
    yield "numpy.lib file opener", pickle.dumps(Calls(np.memmap, marker, "uint8", "w+", 0, (4,)))
    yield "getattr", pickle.dumps(Calls(getattr, "text", "upper"))
    yield "INST opcode", b"(S'touch " + marker.encode() + b"'\nios\nsystem\n."
    yield "OBJ opcode", b"(cos\nsystem\nS'touch " + marker.encode() + b"'\no."
    yield "dotted name", b"\x80\x04\x8c\x05numpy\x8c\x0ef2py.os.system\x93\x8c\x04true\x85R."
    yield "dtype of a callable", b"cnumpy\ndtype\n(cos\nsystem\ntR."
    yield "dtype with a field list", state.replace(b"X\x02\x00\x00\x00f4", b"X\x05\x00\x00\x00f4,O8")
    yield "codec that imports", pickle.dumps(Calls(__import__("codecs").encode, "x", "zip"), protocol=2)
    yield "a change of a stand-in", b"c_codecs\nencode\n}(S'_make'\nI1\nub."
    yield "a stand-in as a value", b"cnumpy\ndtype\n."
    yield "extension registry", b"\x80\x02\x82\x01."
    yield "persistent identity", b"Pabc\n."


@pytest.mark.parametrize("index", range(18))
def test_malicious_files_run_nothing(index, tmp_path):
    marker = tmp_path / "marker"
    name, data = list(malicious(str(marker)))[index]
    for container in (data, HEADER + data):
        path = tmp_path / "evil.npy"
        path.write_bytes(container)
        with pytest.raises(ValueError, match=r"evil\.npy"):
            safe_pickle.load(path)
        assert not marker.exists(), name


def test_refusal_names_the_global():
    with pytest.raises(ValueError, match=r"builtins\.eval.*only arrays, strings, numbers"):
        safe_pickle.load(pickle.dumps(Calls(eval, "1")))
    with pytest.raises(ValueError, match=r"numpy\.memmap"):
        safe_pickle.load(pickle.dumps(Calls(np.memmap, "x", "uint8", "w+", 0, (4,))))
    assert len(list(malicious("m"))) == 18  # the number that the parametrised test above runs through


def reconstructed(shape, code, data, itemsize=-1):
    """Protocol-4 pickle of an array record with any contents, as NumPy lays it out."""
    reconstruct = np.zeros(1).__reduce__()[0]

    class Record:
        def __reduce__(self):
            return reconstruct, (np.ndarray, (0,), b"b"), (1, shape, Kind(), False, data)

    class Kind:
        def __reduce__(self):
            return np.dtype, (code, False, True), (3, "<", None, None, None, itemsize, -1, 0)

    return pickle.dumps(Record(), protocol=4)


@pytest.mark.parametrize(
    "data",
    [
        reconstructed((10**12,), "f8", b"\0" * 8),
        reconstructed((2**40, 2**40), "f4", b""),
        reconstructed((-1,), "f4", b"\0" * 4),
        reconstructed(((2,),), "f4", b"\0" * 8),
        reconstructed((10**9,), "U0", b""),
        reconstructed((2,), "f4", b"\0" * 8, itemsize=400),
        reconstructed((2,), "O8", b"\0" * 16),
        reconstructed((3,), "O8", [1, 2]),
        reconstructed((1,), "V8", b"\0" * 8),
        reconstructed((1,), ["f4"], b"\0" * 8),
        b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",  # BINBYTES8 that announces a terabyte
        b"\x80\x04\x95" + struct.pack("<Q", 2**50) + b"N.",  # so does this frame
        b"\x80\x02Nr\xff\xff\xff\x7f.",  # memo position two thousand million
        b"]" * 200 + b"a" * 199 + b".",  # lists in lists, 200 deep
        b"]q\x00h\x00a.",  # a list inside itself
    ],
)
def test_false_sizes_and_depths(data):
    with pytest.raises(ValueError, match="the bytes given"):
        safe_pickle.load(data)


def test_shared_containers_do_not_explode():
    laugh = ["ha"]
    for _ in range(50):
        laugh = [laugh, laugh]
    assert len(safe_pickle.load(pickle.dumps(laugh))) == 2


def test_every_truncation_is_a_clear_error():
    data = npy_bytes({"a": np.arange(5.0), "b": ["x", (1, 2)], "c": np.array(["u", "v"])})
    for size in range(len(data)):
        with pytest.raises(ValueError, match="the bytes given"):
            safe_pickle.load(data[:size])
    plain = npy_bytes(np.arange(5.0))
    for size in range(len(plain)):
        with pytest.raises(ValueError, match="the bytes given"):
            safe_pickle.load(plain[:size])


def test_every_flipped_byte_reads_or_is_refused():
    data = npy_bytes({"a": np.arange(5, dtype=np.float32), "b": ["x", (1, np.float64(2))], "c": np.array(["u", "v"])})
    rng = np.random.default_rng(0)
    for position in range(len(data)):
        broken = bytearray(data)
        broken[position] ^= int(rng.integers(1, 256))
        try:
            safe_pickle.load(bytes(broken))
        except ValueError as error:
            assert "the bytes given" in str(error)


def test_missing_empty_and_foreign_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.npy"):
        safe_pickle.load(tmp_path / "absent.npy")
    for content in (b"", b"\x89HDF\r\n\x1a\n" + b"\0" * 100, b"hello", b"PK\x03\x04" + b"\0" * 50):
        path = tmp_path / "other.npy"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"other\.npy"):
            safe_pickle.load(path)


def test_lying_npy_header():
    data = (
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", 70)
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000,), }".ljust(69)
        + b"\n"
    )
    with pytest.raises(ValueError, match="truncated"):
        safe_pickle.load(data + b"\0" * 64)


def test_an_unknown_version_of_npy_is_refused():
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3))
    content = bytearray(buffer.getvalue())
    content[6] = 9
    with pytest.raises(ValueError, match=r"an \.npy version \(9, 0\)"):
        safe_pickle.load(bytes(content))
