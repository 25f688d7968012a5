"""The identity formulas a second time, written from design 2.4 and 2.5 alone. The program does not use them.

Ids decide whether a model is found again or trained twice, so a second formula checks the first.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Mapping, Sequence

Hyperparameters = Mapping[str, int | float]
"""Values by camelCase names. A float stands for a float32 field, and an int for an integer field."""


def compact(value: object) -> str:
    """JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def data_digest(pairs: Sequence[tuple[str, str]]) -> str:
    """The digest of (text_input, output) pairs in order, with an object on each line."""
    lines = "".join(compact({"output": output, "textInput": text}) + "\n" for text, output in pairs)
    return hashlib.sha256(lines.encode("utf-8")).hexdigest()


def _tuned(hyperparameters: Hyperparameters | None) -> dict[str, object]:
    return {
        name: struct.pack(">f", value).hex() if isinstance(value, float) else value
        for name, value in (hyperparameters or {}).items()
    }


def identity_digest(
    *,
    source: str,
    data: str,
    hyperparameters: Hyperparameters | None = None,
    generation: int = 0,
    stack: str = "",
    workspace: str = "default",
    checkpoint: str = "",
) -> str:
    """SHA-256 in hex of formula 2.

    `{version: 2, stack, workspace, generation, source, checkpoint, hyperparameters, data}`, without a
    checkpoint where none is named.
    """
    whole: dict[str, object] = {
        "version": 2,
        "stack": stack,
        "workspace": workspace,
        "generation": generation,
        "source": source,
        "hyperparameters": _tuned(hyperparameters),
        "data": data,
    }
    if checkpoint:
        whole["checkpoint"] = checkpoint
    return hashlib.sha256(compact(whole).encode("utf-8")).hexdigest()


def copy_digest(*, source: str, generation: int = 0, stack: str = "", workspace: str = "default") -> str:
    """SHA-256 in hex of a copy's identity: formula 2, without hyperparameters and data."""
    whole = {
        "version": 2,
        "stack": stack,
        "workspace": workspace,
        "generation": generation,
        "source": source,
        "hyperparameters": {},
        "data": {},
    }
    return hashlib.sha256(compact(whole).encode("utf-8")).hexdigest()


def identity_digest_1(
    *,
    source: str,
    data: str,
    hyperparameters: Hyperparameters | None = None,
    generation: int = 0,
    stack: str = "",
    workspace: str = "default",
) -> str:
    """SHA-256 in hex of formula 1: `{version: 1, stack, workspace, generation, source, …, data}`."""
    whole = {
        "version": 1,
        "stack": stack,
        "workspace": workspace,
        "generation": generation,
        "source": source,
        "hyperparameters": _tuned(hyperparameters),
        "data": data,
    }
    return hashlib.sha256(compact(whole).encode("utf-8")).hexdigest()


def identity(name: str, digest: str) -> str:
    """NAME-DIGEST8."""
    return f"{name}-{base64.b32encode(bytes.fromhex(digest)).decode('ascii').lower()[:8]}"
