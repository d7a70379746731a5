"""One spelling for every JSON document that is hashed, and a strict reader for it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from paywarden.errors import BundleError


def canonical_bytes(document: object) -> bytes:
    """The document as UTF-8 JSON with sorted keys, no spaces and shortest floats: equal documents, equal bytes.

    Raises ValueError for NaN and infinities, which JSON lacks, and TypeError for what is not JSON (numpy scalars too).
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def sha256_hex(content: bytes) -> str:
    """The SHA-256 of the content as 64 lower-case hex digits."""
    return hashlib.sha256(content).hexdigest()


def parse_canonical(name: str, content: bytes) -> dict[str, Any]:
    """The JSON object in a bundle file called `name`.

    Raises BundleError unless the bytes are exactly the canonical spelling: a repeated key, a NaN or a stray space
    would let two readers see two documents under one digest.
    """
    try:
        document = json.loads(content)
        canonical = canonical_bytes(document)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{name} of the model bundle is not JSON ({error}). Register the model again.") from error
    if canonical != content:
        raise BundleError(f"{name} of the model bundle is not canonical JSON: it was edited. Register the model again.")
    if not isinstance(document, dict):
        raise BundleError(f"{name} of the model bundle is not a JSON object. Register the model again.")
    return document


def require_keys(name: str, document: dict[str, Any], keys: set[str]) -> None:
    """Nothing, where the document has exactly these keys; BundleError naming the missing and the foreign ones else."""
    missing, foreign = sorted(keys - document.keys()), sorted(document.keys() - keys)
    if missing or foreign:
        raise BundleError(
            f"{name} of the model bundle lacks {missing} and has unknown {foreign}. "
            "It was written by another version of Paywarden or edited: train and register again."
        )
