"""Which columns say who and what took part in a payment, and where it took place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paywarden.events.guessing.guess import Guess, block, one_line, scalar
from paywarden.events.guessing.profile import ID_WORDS, Column

ENTITIES = {
    "card": ("card", "cc", "pan", "creditcard"),
    "account": ("account", "acct", "iban", "orig", "origin", "sender", "payer"),
    "customer": ("customer", "cust", "client", "user", "cardholder"),
    "merchant": ("merchant", "merch", "store", "shop", "seller", "vendor", "payee"),
    "counterparty": ("dest", "destination", "receiver", "recipient", "beneficiary"),
    "terminal": ("terminal", "pos"),
    "device": ("device",),
    "ip": ("ip",),
    "email": ("email", "mail"),
}
"""Words that name an entity, the best one to route by first."""

_FILLER = (*ID_WORDS, "tx", "txn", "trans", "transaction", "credit", "code", "fingerprint", "the", "of", "e", "x")
_PERSONAL = ("ip", "email")
_AXES = (("latitude", ("lat", "latitude"), 90), ("longitude", ("lon", "lng", "long", "longitude"), 180))


def guess_entities(columns: Sequence[Column]) -> Iterator[Guess]:
    """Cards, merchants and the like, the one to route by first; what looks like a card number is to be tokenised."""
    for entity, words in ENTITIES.items():
        named = [c for c in columns if c.has(*words) and set(c.words) <= {*words, *_FILLER} and c.is_id]
        if not named:
            continue
        column = min(named, key=lambda c: (not c.has(*ID_WORDS) or c.has("name"), len(c.words)))
        secret = (
            column.holds_card_numbers or entity in _PERSONAL or (entity == "card" and column.fits(r"^[0-9 -]{12,}$"))
        )
        parts = {"column": scalar(column.name)} | ({"tokenise": "true"} if secret else {})
        why = [f"{one_line(column.name)}: {column.distinct:,} different values"]
        if secret:
            what = (
                "looks like card numbers" if column.holds_card_numbers or entity == "card" else "says who somebody is"
            )
            why.append(f"It {what}: replaced by tokens when read, which needs a secret key, events.token_key")
        yield Guess(entity, (block(**parts) if secret else scalar(column.name),), (column.name,), tuple(why))


def guess_places(columns: Sequence[Column]) -> Iterator[Guess]:
    """Latitude and longitude, the merchant's before others; a second pair gives the distance between the two."""
    pairs: dict[frozenset[str], dict[str, Column]] = {}
    for column in columns:
        for axis, words, limit in _AXES:
            if column.has(*words) and column.within(-limit, limit):
                pairs.setdefault(frozenset(column.words) - set(words), {}).setdefault(axis, column)
    whole = sorted(
        (p for p in pairs.items() if len(p[1]) == 2),
        key=lambda p: not p[0] & {*ENTITIES["merchant"], "terminal", "pos"},
    )
    if not whole:
        return
    place = whole[0][1]
    yield from (Guess.of(axis, place[axis], "degrees") for axis in ("latitude", "longitude"))
    if len(whole) > 1:
        other = whole[1][1]
        four = [c.name for c in (other["latitude"], other["longitude"], place["latitude"], place["longitude"])]
        lines = block(distance_km=f"[{', '.join(map(scalar, four))}]")
        why = f"from {one_line(four[0])} and {one_line(four[1])} to the payment's place"
        yield Guess("distance_km", (lines,), (four[0], four[1]), (why,))
