"""A guess: some lines of a mapping, the columns they use, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass

from paywarden.events.guessing.profile import Column

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_YAML_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


@dataclass(frozen=True)
class Guess:
    """``key`` of the mapping, the ``lines`` of its value (YAML, the first one after the key), the columns, and why."""

    key: str
    lines: tuple[str, ...]
    columns: tuple[str, ...] = ()
    why: tuple[str, ...] = ()

    @classmethod
    def of(cls, key: str, column: Column, why: str) -> Guess:
        """The column as it is."""
        return cls(key, (scalar(column.name),), (column.name,), (f"{one_line(column.name)}: {why}",))


def scalar(text: str) -> str:
    """A text as YAML that reads back to it, whatever it holds."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS
    return text if plain else quoted(text)


def one_line(text: str, longest: int = 60) -> str:
    """A text for a comment: in quotes, without line breaks, not too long."""
    shown = text if len(text) <= longest else text[: longest - 1] + "…"
    return repr(shown)


def block(**pairs: str) -> str:
    """``{key: value, …}`` of values that are YAML already."""
    return "{" + ", ".join(f"{key}: {value}" for key, value in pairs.items()) + "}"


def quoted(text: str) -> str:
    """A text as YAML in double quotes."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text) + '"'
