"""Answers that were given and decisions on their way to Kafka, in one LMDB environment that the API's workers share.

Guarantee: an answer is kept, together with its records for Kafka, before it is given; of several answers to one
transaction id, by whichever process, all callers get the first. Records leave in the order in which they came and are
removed once Kafka has acknowledged them: each is delivered at least once. Kept answers survive the death of the
process; for a power cut see ``lmdb_environment``.

``answers`` holds, by transaction id, when the answer is forgotten, its fingerprint and its JSON; ``expiry`` the ids by
that time; ``outbox`` topic, key and value of records, by a number that grows.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from pathlib import Path

import orjson

from paywarden.adapters.state.lmdb_environment import Database, Transaction, open_environment
from paywarden.events.kept_answer import Kept, NewAnswer, Record

_MAP_SIZE = 1 << 28
_NUMBER = struct.Struct(">Q")
_FORGOTTEN_AT_ONCE = 100
"""Old answers removed with each new one: more than come in, and far below a millisecond."""


class LmdbAnswers:
    """The answers under ``path``, each kept for ``horizon_ms``. Threads and processes may share them."""

    def __init__(self, path: Path, horizon_ms: int) -> None:
        self._horizon_ms = horizon_ms
        self._environment = open_environment(path, writable=True, map_size=_MAP_SIZE)

    def find(self, transaction_ids: Sequence[str], now_ms: int) -> list[Kept | None]:
        """The answers that were given to these ids and are not forgotten yet."""

        def step(txn: Transaction, answers: Database | None) -> list[Kept | None]:
            return [None if answers is None else _kept(txn, answers, name, now_ms) for name in transaction_ids]

        return self._environment.view(step, "answers")

    def keep(self, new: Sequence[NewAnswer], now_ms: int) -> list[tuple[Kept, bool]]:
        """What is to be answered to each, and whether it is the new answer; else the id had one already."""

        def step(txn: Transaction, answers: Database, expiry: Database, outbox: Database) -> list[tuple[Kept, bool]]:
            _forget(txn, answers, expiry, now_ms)
            found = []
            for answer in new:
                known = _kept(txn, answers, answer.transaction_id, now_ms)
                found.append((known or answer.kept, known is None))
                if known is None:
                    self._put(txn, answers, expiry, answer, now_ms)
                    _append(txn, outbox, answer.records)
            return found

        return self._environment.update(step, "answers", "expiry", "outbox")

    def outbox(self, most: int) -> list[tuple[int, Record]]:
        """The oldest records that are not acknowledged yet, numbered."""

        def step(txn: Transaction, outbox: Database | None) -> list[tuple[int, Record]]:
            if outbox is None:
                return []
            found = []
            with txn.cursor(outbox) as cursor:
                for key, value in cursor:
                    found.append((_NUMBER.unpack(key)[0], _record(bytes(value))))
                    if len(found) == most:
                        break
            return found

        return self._environment.view(step, "outbox")

    def sent(self, numbers: Sequence[int]) -> None:
        """Remove records that were acknowledged."""

        def step(txn: Transaction, outbox: Database) -> None:
            for number in numbers:
                txn.delete(_NUMBER.pack(number), db=outbox)

        self._environment.update(step, "outbox")

    def pending(self) -> int:
        """How many records wait."""

        def step(txn: Transaction, outbox: Database | None) -> int:
            return 0 if outbox is None else int(txn.stat(outbox)["entries"])

        return self._environment.view(step, "outbox")

    def close(self) -> None:
        """Close the files."""
        self._environment.close()

    def _put(self, txn: Transaction, answers: Database, expiry: Database, answer: NewAnswer, now_ms: int) -> None:
        until, name = now_ms + self._horizon_ms, answer.transaction_id.encode()
        head = _NUMBER.pack(until) + answer.kept.fingerprint.encode() + b"\0"
        txn.put(name, head + answer.kept.said, db=answers)
        txn.put(_NUMBER.pack(until) + name, b"", db=expiry)


def _kept(txn: Transaction, answers: Database, transaction_id: str, now_ms: int) -> Kept | None:
    value = txn.get(transaction_id.encode(), db=answers)
    if value is None or _NUMBER.unpack(value[:8])[0] <= now_ms:
        return None
    fingerprint, said = bytes(value[8:]).split(b"\0", 1)
    return Kept(fingerprint.decode(), said)


def _forget(txn: Transaction, answers: Database, expiry: Database, now_ms: int) -> None:
    old: list[bytes] = []
    with txn.cursor(expiry) as cursor:
        for key, _ in cursor:
            if _NUMBER.unpack(key[:8])[0] > now_ms or len(old) == _FORGOTTEN_AT_ONCE:
                break
            old.append(bytes(key))
    for gone in old:
        txn.delete(gone, db=expiry)
        held = txn.get(gone[8:], db=answers)
        if held is not None and bytes(held[:8]) == gone[:8]:  # else it was answered anew since
            txn.delete(gone[8:], db=answers)


def _append(txn: Transaction, outbox: Database, records: Sequence[Record]) -> None:
    with txn.cursor(outbox) as cursor:
        number = _NUMBER.unpack(cursor.key())[0] + 1 if cursor.last() else 0
    for n, record in enumerate(records, number):
        packed = [record.topic, base64.b64encode(record.key).decode(), base64.b64encode(record.value).decode()]
        txn.put(_NUMBER.pack(n), orjson.dumps(packed), db=outbox, append=True)


def _record(packed: bytes) -> Record:
    topic, key, value = orjson.loads(packed)
    return Record(topic, base64.b64decode(key), base64.b64decode(value))
