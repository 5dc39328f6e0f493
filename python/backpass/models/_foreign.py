"""Files of others, told by how they begin: what they are, and how their weights come here."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from backpass import _checks

T = TypeVar("T")

_HEAD = 64  # bytes that are looked at
_LEGACY_TORCH = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"  # the number with which torch.save began before version 1.6
_TORCH = "a file of PyTorch: load_weights(torch.load(path, weights_only=True)) takes its state_dict"


def reading(where: str, path: str | bytes | os.PathLike[str], load: Callable[[bytes], T]) -> T:
    """What `load` makes of a file; where that is a ValueError and the file of a kind that is known, one that tells."""
    name = _checks.path(where, path)
    try:
        return load(os.fsencode(name))
    except ValueError as error:
        with open(name, "rb") as file:
            head = file.read(_HEAD)
        what = "" if head[8:9] == b"{" else _kind(head, name)  # safetensors: the length of a header, and the header
        if not what:
            raise
        raise ValueError(f"[{where}] {name!r} is {what}") from error


def _kind(head: bytes, path: str) -> str:
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "an HDF5 file, as Keras writes them: read its arrays with h5py and give them to load_weights by name"
    if head.startswith(b"\x93NUMPY"):
        return "one NumPy array: load_weights takes arrays by name"
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        return _TORCH if _LEGACY_TORCH in head else "a pickle: pickle.load reads it, where its source is trusted"
    if head[:1] == b"\x08" and head[2:3] in (b"\x12", b"\x3a", b"\x42"):  # ir_version, then a producer, graph or opset
        return "probably an ONNX model: onnx.load reads it, and load_weights takes its initializers as arrays by name"
    return ""


def _kind_of_zip(path: str) -> str:
    import zipfile  # takes time to import

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return "a damaged zip file"
    if any(name.endswith("data.pkl") for name in names):
        return _TORCH
    if any(name.endswith(".weights.h5") for name in names):
        return "a model of Keras: its get_weights() are arrays, which load_weights takes by name"
    if all(name.endswith(".npy") for name in names):
        return "an archive of NumPy: load_weights(dict(numpy.load(path))) takes its arrays by name"
    return "a zip file"
