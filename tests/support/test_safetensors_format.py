"""The files are what the format's own library writes and reads."""

import io
import json
import struct
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from safetensors.numpy import load, save

from fastbp.support.safetensors_format import FormatError, check_storable, read_tensors, write_tensors

DTYPES = ["?", "u1", "i1", "i2", "u2", "f2", "i4", "u4", "f4", "i8", "u8", "f8"]


def make_tensors(seed=0):
    rng = np.random.default_rng(seed)
    shapes = [(3, 4), (5,), (), (0,), (2, 0, 3), (1, 2, 3, 4)]
    tensors = {}
    for i, dtype in enumerate(rng.permutation(DTYPES)):
        shape = shapes[i % len(shapes)]
        tensors[f"{'äx.W'[i % 4 :]}{i}"] = np.asarray(rng.normal(size=shape) * 50).astype(dtype)
    return tensors


def written(tensors, metadata):
    file = io.BytesIO()
    write_tensors(file, tensors, metadata)
    return file.getvalue()


@pytest.mark.parametrize("seed", range(5))
def test_the_same_bytes_as_the_formats_own_library(seed):
    tensors, metadata = make_tensors(seed), {"fastbp": json.dumps({"a": "ä\n\\"})}
    contents = written(tensors, metadata)
    assert contents == save(tensors, metadata)
    found, arrays = read_tensors(io.BytesIO(contents), len(contents))
    assert found == metadata
    theirs = load(contents)
    assert set(arrays) == set(tensors) == set(theirs)
    for name, array in arrays.items():
        assert array.dtype == tensors[name].dtype
        assert array.shape == tensors[name].shape
        assert array.tobytes() == tensors[name].tobytes() == theirs[name].tobytes()


def test_arrays_in_any_order_of_memory():
    array = np.arange(24, dtype="f4").reshape(4, 6)
    for other in (array[:, ::2], array.T, array[::-1], array.astype(">f4")):
        contents = written({"a": other}, {})
        assert (load(contents)["a"] == other).all()


@pytest.mark.parametrize("array", [np.zeros(2, complex), np.array(["a"]), np.zeros(2, "M8[s]"), np.array([None])])
def test_arrays_that_no_file_can_hold(array):
    with pytest.raises(TypeError, match=r"a is an ndarray of shape .*; expected booleans, integers or floats"):
        check_storable(array, "a")


def made(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


GOOD = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


def change(**of_a):
    return {"a": GOOD["a"] | of_a}


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        (b"", "it ends within its header"),
        (b"1234567", "it ends within its header"),
        (made(GOOD, b"12345678", length=2**63), "does not fit in the file"),
        (made(b"{", b""), "its header is none of safetensors"),
        (made(b"\xff\xfe", b""), "its header is none of safetensors"),
        (made(b"[" * 100_000), "its header is none of safetensors"),
        (made([]), "its header is no JSON object"),
        (made({"__metadata__": 5}), "its metadata is no dictionary of text"),
        (made({"__metadata__": {"a": 5}}), "its metadata is no dictionary of text"),
        (made(b'{"a":{},"a":{}}'), "a name occurs twice"),
        (made({"a": 5}), "its header is none of safetensors"),
        (made({"a": {}}), "its header is none of safetensors"),
        (made(change(dtype="BF16"), b"12345678"), "is of dtype BF16, which is none of BOOL"),
        (made(change(dtype=[]), b"12345678"), "its header is none of safetensors"),
        (made(change(shape=[3]), b"12345678"), "has 8 bytes; expected 12"),
        (made(change(shape=[-2, -1]), b"12345678"), "where a size belongs"),
        (made(change(shape=[2.0]), b"12345678"), "where a size belongs"),
        (made(change(shape=[True, 2]), b"12345678"), "where a size belongs"),
        (made(change(shape=[2**70, 0], data_offsets=[0, 0])), "where a size belongs"),
        (made(change(shape=[2**61, 0, 2**61], data_offsets=[0, 0])), "a shape that no array has"),
        (made(change(shape=[1] * 100, data_offsets=[0, 4]), b"1234"), "a shape that no array has"),
        (made(change(shape=10**400), b"12345678"), "its header is none of safetensors"),
        (made(change(shape=[10**400]), b"12345678"), "where a size belongs"),
        (made(change(data_offsets=[8, 16]), b"1234567812345678"), "begins at byte 8 of the data, not at 0"),
        (made(change(data_offsets=[8, 0]), b"12345678"), "has -8 bytes"),
        (made(change(data_offsets=[0]), b"12345678"), "its header is none of safetensors"),
        (made(GOOD, b"1234567"), "bytes; expected"),
        (made(GOOD, b"123456789"), "bytes; expected"),
        (made(GOOD | {"b": GOOD["a"]}, b"12345678"), "begins at byte 0 of the data, not at 8"),
    ],
)
def test_what_is_not_in_the_format(contents, sentence):
    with pytest.raises(FormatError, match=sentence):
        read_tensors(io.BytesIO(contents), len(contents))


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux only")
def test_memory_that_runs_out_is_a_memory_error(tmp_path):
    """The format's own library ends with a PanicException, which is no Exception, or ends the process."""
    code = f"""
    import resource
    import fastbp as fb
    import fastbp.support.safetensors_file
    model = fb.Model([fb.Dense(4000)], inputs=4000)
    model.save({str(tmp_path / "file")!r})
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    for more in (1, 20, 40, 63, 70, 100, 127, 140):
        resource.setrlimit(resource.RLIMIT_AS, (used + more * 2**20, resource.RLIM_INFINITY))
        for call in (lambda: fb.Model.load({str(tmp_path / "file")!r}), lambda: model.save({str(tmp_path / "new")!r})):
            try:
                call()
            except MemoryError:
                print("MemoryError")
            else:
                print("done")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {"MemoryError", "done"}
