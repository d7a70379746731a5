"""Answering at once: a transaction in, the decision that acts out, by the model or, without one, by amount."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from paywarden.clock import Clock
from paywarden.errors import StateStoreError
from paywarden.events.alert_notes import described, noted
from paywarden.events.currency import CurrencyTable
from paywarden.events.decision import decision_ids, encode_decision
from paywarden.events.limits import Limits
from paywarden.events.schema import EventSchema
from paywarden.events.validation import Parsed, parse_transactions
from paywarden.jobs.live_model import LiveModels
from paywarden.scoring.canonical import canonical_bytes, sha256_hex
from paywarden.scoring.decide import decide
from paywarden.scoring.policy import APPROVE, DECISIONS
from paywarden.scoring.rules.rule_book import RuleBook
from paywarden.scoring.rules.ruling import Ruling, rule

NO_BUNDLE = ""
"""Stands for the bundle in the ids of decisions that no model took part in."""
FALLBACKS = {
    "timeout": "no score within the time allowed",
    "no_model": "no model is ready to score",
    "state": "the online state could not be read",
    "error": "scoring failed",
}
"""Why an answer is a fallback, by code."""
_SAID = ("transaction_id", "decision_id", "source", "decision", "score", "reasons", "rules", "shadow_rules")
_SAID_OF_MODEL = ("bundle_version", "bundle_digest", "policy_digest", "state_age_ms", "decided_at")


@dataclass(frozen=True)
class Fallback:
    """What is decided without a score: amounts (minor units, base currency) up to a limit pass, others do not."""

    approve_up_to: int
    above: str

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the two, in place of a policy's digest."""
        return sha256_hex(canonical_bytes({"approve_up_to": self.approve_up_to, "above": self.above}))

    def decide(self, amounts: np.ndarray) -> np.ndarray:
        """The decisions on amounts int64 [n], as codes int8 [n]."""
        return np.where(amounts <= self.approve_up_to, APPROVE, DECISIONS.index(self.above)).astype(np.int8)


@dataclass(frozen=True)
class Answer:
    """One decision as its caller gets it and as it goes to Kafka.

    ``fingerprint`` tells whether a later request of the same transaction id means the same transaction; ``said`` is the
    caller's JSON, ``message`` that of the predictions, under ``key``; ``alert`` that of the alerts, if it is one.
    """

    transaction_id: str
    fingerprint: str
    decision: str
    source: str
    said: bytes
    key: bytes
    message: bytes
    alert: bytes | None


class Answering:
    """Reads, scores and falls back; threads may share it."""

    def __init__(
        self,
        schema: EventSchema,
        currencies: CurrencyTable,
        limits: Limits,
        models: LiveModels,
        fallback: Fallback,
        clock: Clock,
        rules: Callable[[], RuleBook] = RuleBook,
    ) -> None:
        self._schema = schema
        self._currencies = currencies
        self._limits = limits
        self._models = models
        self._fallback = fallback
        self._clock = clock
        self._rules = rules

    def read(self, payloads: Sequence[bytes], at: Sequence[int]) -> Parsed:
        """The valid transactions among messages, by the rules that the stream keeps; received ``at`` (epoch ms)."""
        times = np.array(at, dtype=np.int64)
        return parse_transactions(pa.array(payloads, pa.binary()), times, self._schema, self._currencies, self._limits)

    def score(self, rows: pa.Table) -> list[Answer]:
        """The model's answers to canonical transactions, in their order, on the state as it is.

        Raises StateStoreError where the state cannot be read, and where no model is ready.
        """
        live = self._models.current
        if live is None:
            raise NoModel(self._models.problem or "no model is ready")
        age_ms, bundle, book = live.state.age_ms(), live.served.bundle, self._rules()
        decided = decide(live.scorer, live.served.engine.catalogue, live.vectors(rows), rows, book)
        scores, propensity, reasons = decided.scores, decided.propensity, decided.reasons()
        facts: list[dict[str, Any]] = [
            {
                "raw_score": float(scores.raw[i]),
                "score": float(scores.score[i]),
                "propensity": float(propensity[i]) if propensity[i] < 1 else None,
                "state_age_ms": age_ms,
                "reasons": reasons[i],
                "bundle_version": live.served.version,
                "bundle_digest": bundle.digest,
                "vector": decided.vectors[i],
            }
            for i in range(len(scores))
        ]
        return self._answers(rows, decided.ruling, "api", bundle.digest, decided.policy_digest, facts)

    def fall_back(self, rows: pa.Table, why: str) -> list[Answer]:
        """Answers by lists, rules that need no score, and amount; ``why`` is a code of :data:`FALLBACKS`."""
        book = self._rules()
        ruling = rule(book, rows, self._fallback.decide(rows["amount_base"].to_numpy()))
        policy_digest = book.policy_digest(self._fallback.digest)
        said = [{"code": f"FALLBACK_{why.upper()}", "text": FALLBACKS[why]}]
        return self._answers(rows, ruling, "fallback", NO_BUNDLE, policy_digest, [{"reasons": said}] * rows.num_rows)

    def _answers(
        self,
        rows: pa.Table,
        ruling: Ruling,
        source: str,
        bundle_digest: str,
        policy_digest: str,
        facts: Sequence[Mapping[str, Any]],
    ) -> list[Answer]:
        """The answers to all rows, with the facts of each that only its source knows."""
        ids = decision_ids(rows["transaction_id"].to_pylist(), source, bundle_digest, policy_digest).to_pylist()
        same = {"source": source, "policy_digest": policy_digest, "decided_at": self._clock()}
        return [
            self._answer({**row, **same, **_ruled(ruling, i), **facts[i], "decision_id": ids[i]}, ruling.notes(i))
            for i, row in enumerate(rows.to_pylist())
        ]

    def _answer(self, row: Mapping[str, Any], notes: Mapping[str, Any]) -> Answer:
        said = {name: row.get(name) for name in _SAID}
        said |= {name: row.get(name) or [] for name in ("reasons", "rules", "shadow_rules")}
        said |= {name.replace("bundle_", "model_"): row.get(name) for name in _SAID_OF_MODEL}
        message = encode_decision({**row, "arrived_at": row["received_at"]}, self._schema)
        return Answer(
            transaction_id=row["transaction_id"],
            fingerprint=fingerprint(row, self._schema),
            decision=row["decision"],
            source=row["source"],
            said=orjson.dumps(said),
            key=row["routing_key"].encode(),
            message=message,
            alert=noted(message, {**notes, **described(row)}) if row["decision"] != DECISIONS[APPROVE] else None,
        )


class NoModel(StateStoreError):
    """No model is ready: none is champion, or its state is not there. The message says which, and what to do."""


def fingerprint(row: Mapping[str, Any], schema: EventSchema) -> str:
    """What makes a transaction itself: time, amount, currency and entities, hashed."""
    facts = [row["occurred_at"], row["amount"], row["currency"], *(row[name] for name in schema.entity_columns)]
    return sha256_hex(canonical_bytes(facts))[:32]


def _ruled(ruling: Ruling, row: int) -> dict[str, Any]:
    """The decision on a row, with what fired."""
    decision = DECISIONS[ruling.decision[row]]
    return {"decision": decision, "rules": ruling.fired[row], "shadow_rules": ruling.shadow[row]}
