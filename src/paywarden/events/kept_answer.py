"""An answer as it is kept, so that its caller gets the same again and the topics hear of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Kept:
    """An answer as it was given first."""

    fingerprint: str
    said: bytes


@dataclass(frozen=True)
class Record:
    """What goes to a topic."""

    topic: str
    key: bytes
    value: bytes


@dataclass(frozen=True)
class NewAnswer:
    """An answer, and the records that tell of it."""

    transaction_id: str
    kept: Kept
    records: Sequence[Record]
