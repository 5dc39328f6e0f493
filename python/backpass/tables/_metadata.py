"""A text beside a model in its file: the header of a safetensors file has room for it."""

from __future__ import annotations

import json
import os
from typing import Any

from backpass._replacing import replacing
from backpass.models import Network

MOST_HEADER = 100_000_000


def save(network: Network, path: str | bytes | os.PathLike[str], key: str, text: str) -> None:
    """Writes the model with `text` under `key`; what was there is replaced as a whole or not at all."""
    with replacing(path) as temporary:
        network.save(temporary)
        with open(temporary, "rb") as file:
            content = file.read()
        header, data = _split(content)
        header["__metadata__"][key] = text
        packed = json.dumps(header, separators=(",", ":")).encode()
        packed += b" " * (-len(packed) % 8)
        with open(temporary, "wb") as file:
            file.write(len(packed).to_bytes(8, "little") + packed + data)


def read(path: str | bytes | os.PathLike[str], key: str) -> str:
    """The text under `key`.

    Raises:
        ValueError: if the file is none of ours, or has none.
    """
    name = os.fsdecode(path)
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        head = file.read(length) if length <= MOST_HEADER else b""
    try:
        text = json.loads(head)["__metadata__"][key]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"[TableModel] {name} is no model of a table") from None
    return str(text)


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]
