"""What OpenAPI says of requests and answers; a transaction is what the topic takes, checked by the same rules."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from paywarden.events.limits import EARLIEST_MS, LATEST_MS, MAX_AMOUNT, MAX_ID_LENGTH, MAX_TEXT_LENGTH
from paywarden.events.schema import AUTH_RESULTS, CHANNELS, TRANSACTION_TYPES, EventSchema


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReasonSaid(_Said):
    """Why, for programs and for people."""

    code: str
    text: str


class DecisionSaid(_Said):
    """The decision on one transaction. It acts; the stream's own is an audit from then on."""

    transaction_id: str
    decision_id: str = Field(description="the same for the same transaction, model and policy")
    source: Literal["api", "fallback"] = Field(description="fallback: decided without a score; the reasons say why")
    decision: Literal["approve", "review", "decline"]
    score: float | None = Field(description="the calibrated probability of fraud; null in a fallback")
    reasons: list[ReasonSaid] = Field(description="of what is not approved, the strongest first")
    rules: list[str] = Field(description="the lists and rules that fired, the one that decided first")
    shadow_rules: list[str] = Field(description="those that would have fired and are only watched")
    model_version: str | None
    model_digest: str | None
    policy_digest: str
    state_age_ms: int | None = Field(description="since the stream last moved the state that was read")
    decided_at: int = Field(description="epoch milliseconds, UTC")


class ProblemSaid(BaseModel):
    """RFC 9457, with a stable code and the remedy."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    remedy: str


class RefusedSaid(ProblemSaid):
    """One transaction of a batch that was refused."""

    transaction_id: str | None = None
    index: int | None = None


class ReadySaid(_Said):
    """Whether scores can be given, and what stands in the way."""

    ready: bool
    problem: str | None


class HealthSaid(_Said):
    """The process answers."""

    status: Literal["alive"]


class ModelSaid(_Said):
    """What answers now."""

    model_version: str
    model_digest: str
    policy_digest: str
    state_layout: str
    state_age_ms: int | None


def transaction_document(schema: EventSchema) -> dict[str, Any]:
    """The JSON Schema of a transaction, with an example."""
    token = {"type": ["string", "null"], "minLength": 1, "maxLength": MAX_ID_LENGTH}
    text = {"type": ["string", "null"], "maxLength": MAX_TEXT_LENGTH}
    time = {"type": "integer", "minimum": EARLIEST_MS, "maximum": LATEST_MS}
    entities = {name: {**token, "description": "a token, never a card number"} for name in schema.entities}
    properties: dict[str, Any] = {
        "transaction_id": {"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH, "pattern": r"\S"},
        "occurred_at": {**time, "description": "epoch milliseconds, at most five minutes ahead of now"},
        "received_at": {"type": ["integer", "null"], "minimum": EARLIEST_MS, "maximum": LATEST_MS},
        "amount": {"type": "integer", "minimum": 0, "maximum": MAX_AMOUNT, "description": "minor units"},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "transaction_type": {"enum": [*TRANSACTION_TYPES, None]},
        "auth_result": {"enum": [*AUTH_RESULTS, None]},
        "channel": {"enum": [*CHANNELS, None]},
        "category": text,
        "country": {"type": ["string", "null"], "pattern": "^[A-Z]{2}$"},
        "latitude": {"type": ["number", "null"], "minimum": -90, "maximum": 90},
        "longitude": {"type": ["number", "null"], "minimum": -180, "maximum": 180},
    }
    required = ["transaction_id", "occurred_at", "amount", "currency"]
    if entities:
        properties["entities"] = {
            "type": "object",
            "properties": {**entities, schema.entities[0]: {**token, "type": "string", "pattern": r"\S"}},
            "required": [schema.entities[0]],
        }
        required.append("entities")
    for name, kind, names in (
        ("extra_numbers", "number", schema.extra_numbers),
        ("extra_categories", "string", schema.extra_categories),
    ):
        if names:
            properties[name] = {"type": "object", "properties": {n: {"type": [kind, "null"]} for n in names}}
    return {"type": "object", "title": "Transaction", "properties": properties, "required": required}


def example(schema: EventSchema, transaction_id: str = "t-1001") -> dict[str, Any]:
    """A transaction as one may send it."""
    entities = {name: f"{name}-42" for name in schema.entities}
    sent: dict[str, Any] = {"transaction_id": transaction_id, "occurred_at": 1_767_250_358_042}
    sent |= {"entities": entities} if entities else {}
    return sent | {"amount": 1_250, "currency": "EUR", "channel": "online", "country": "FR"}
