"""Tokens as people may see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_SHOWN: Final = 4


_SHOP: Final = ("merchant", "terminal")
"""Entities that stand for no customer."""


def masked(token: str) -> str:
    """The end of a token behind dots; a token of at most eight characters shows its last two at most.

    >>> masked("c0000000Xy7Q"), masked("c1"), masked("card-042")
    ('•••• Xy7Q', '••••', '•••• 42')
    """
    if len(token) <= _SHOWN:
        return "••••"
    return f"•••• {token[-_SHOWN:] if len(token) > 2 * _SHOWN else token[-2:]}"


def shown_entities(entities: Mapping[str, str]) -> dict[str, str]:
    """The entities of a payment as people may see them: where it was made in full, whose it was by the token's end.

    >>> shown_entities({"card": "c0000000Xy7Q", "merchant": "Kirlin and Sons"})
    {'card': '•••• Xy7Q', 'merchant': 'Kirlin and Sons'}
    """
    return {name: token if name in _SHOP else masked(token) for name, token in entities.items()}
