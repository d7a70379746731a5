"""Tokens as people may see them."""

from __future__ import annotations

from typing import Final

_SHOWN: Final = 4


def masked(token: str) -> str:
    """The end of a token behind dots; a token of at most eight characters shows its last two at most.

    >>> masked("c0000000Xy7Q"), masked("c1"), masked("card-042")
    ('•••• Xy7Q', '••••', '•••• 42')
    """
    if len(token) <= _SHOWN:
        return "••••"
    return f"•••• {token[-_SHOWN:] if len(token) > 2 * _SHOWN else token[-2:]}"
