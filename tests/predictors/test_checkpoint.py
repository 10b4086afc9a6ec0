import json
import struct

import numpy as np
import pytest
from safetensors.numpy import save_file

from tart_nas.errors import CheckpointError
from tart_nas.predictors.checkpoint import FORMAT, VERSION, Arrays, read_checkpoint, write_checkpoint

ARRAYS: Arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(2)}


def test_round_trip(tmp_path):
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, ARRAYS | {"turned": ARRAYS["a"].T}, {"kind": "ridge", "n": 3, "list": [1, None]})
    arrays, metadata = read_checkpoint(path)
    assert metadata == {"kind": "ridge", "n": 3, "list": [1, None]}
    assert sorted(arrays) == ["a", "b", "turned"]
    assert np.array_equal(arrays["a"], ARRAYS["a"])
    assert np.array_equal(arrays["turned"], ARRAYS["a"].T)
    assert arrays["b"].dtype == np.float64


def test_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, ARRAYS, {})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        write_checkpoint(path, ARRAYS, {"tau": float("nan")})
    with pytest.raises(CheckpointError, match="Cannot write the predictor to"):
        write_checkpoint(path, {"words": np.array(["a"])}, {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match=r"Cannot write the predictor to .*file"):
        write_checkpoint(tmp_path / "file" / "c.safetensors", ARRAYS, {})


def test_missing(tmp_path):
    with pytest.raises(CheckpointError, match="There is no predictor at"):
        read_checkpoint(tmp_path / "c.safetensors")
    with pytest.raises(CheckpointError, match="There is no predictor at"):
        read_checkpoint(tmp_path)


def test_every_truncation_is_told(tmp_path):
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, ARRAYS, {"kind": "ridge"})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="not a complete safetensors file") as caught:
            read_checkpoint(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"PK\x03\x04 a zip file" * 9, b"\x80\x02}q\x00." * 9, b"{}" * 99, bytes(1000)])
def test_other_files(tmp_path, content):
    path = tmp_path / "c.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (None, "no predictor of TART-NAS: its format is None"),
        ({"format": "pt"}, "its format is 'pt'"),
        (
            {"format": FORMAT, "version": "99", "metadata": "{}"},
            f"version '99' of the checkpoint format.* reads {VERSION}",
        ),
        ({"format": FORMAT, "version": str(VERSION)}, "not a JSON object"),
        ({"format": FORMAT, "version": str(VERSION), "metadata": "[1"}, "not a JSON object"),
        ({"format": FORMAT, "version": str(VERSION), "metadata": "[1]"}, "not a JSON object"),
        ({"format": FORMAT, "version": str(VERSION), "metadata": "[" * 100_000}, "not a JSON object"),
    ],
)
def test_foreign_headers(tmp_path, header, said):
    path = tmp_path / "c.safetensors"
    save_file(ARRAYS, path, header)
    with pytest.raises(CheckpointError, match=said):
        read_checkpoint(path)


def test_unknown_data_type(tmp_path):
    path = tmp_path / "c.safetensors"
    header = json.dumps({"a": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0")
    with pytest.raises(CheckpointError):
        read_checkpoint(path)
