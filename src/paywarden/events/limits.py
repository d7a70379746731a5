"""Bounds beyond which an event is refused. Each has its reason; the size of a message can be set."""

from __future__ import annotations

from dataclasses import dataclass

EARLIEST_MS = 946_684_800_000
"""2000-01-01 UTC. An epoch in seconds, read as milliseconds, falls before it."""

LATEST_MS = 4_102_444_800_000
"""2100-01-01 UTC. An epoch in microseconds, read as milliseconds, falls after it."""

FUTURE_TOLERANCE_MS = 5 * 60 * 1000
"""How far a producer's clock may run ahead of ours: ``occurred_at`` > ``received_at`` + this is in the future."""

MAX_AMOUNT = 10**12
"""Minor units. Sums of a million such amounts still fit int64, and each is exact as a float64."""

MAX_ID_LENGTH = 128
"""UTF-8 bytes of a transaction id or an entity's token. Ids are keys of the online state."""

MAX_TEXT_LENGTH = 256
"""UTF-8 bytes of any other text: category, pattern, extra categories."""

MAX_MESSAGE_BYTES = 64 * 1024
"""A transaction has some 300 bytes; a message above this is a mistake or an attack."""


@dataclass(frozen=True)
class Limits:
    """What a deployment may set; the defaults are the constants of this module.

    ``refuse_card_numbers`` refuses ids that look like a card number (13 to 19 digits with a valid check digit), so
    that none reaches the state, the lake or a log. One in ten numeric ids of such length looks like one by chance:
    switch it off only where ids are numeric and known to be no card numbers.
    """

    max_message_bytes: int = MAX_MESSAGE_BYTES
    max_amount: int = MAX_AMOUNT
    max_id_length: int = MAX_ID_LENGTH
    max_text_length: int = MAX_TEXT_LENGTH
    future_tolerance_ms: int = FUTURE_TOLERANCE_MS
    refuse_card_numbers: bool = True


DEFAULT_LIMITS = Limits()
