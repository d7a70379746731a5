"""What a column looks like: the words of its name, and what its values could be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.events.strings import validity
from paywarden.events.tokens import looks_like_card_number
from paywarden.events.value_readers import numbers, texts

NEARLY_ALL = 0.95
"""Share of values that must fit: a few odd ones are for validation to refuse."""

FEW = 50
"""Most different values that are looked at one by one."""

ID_WORDS = ("id", "num", "number", "no", "nbr", "token", "hash", "key", "ref", "uuid", "name", "address", "addr")

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_GLUED = re.compile(
    r"(transaction|trans|tx|txn|customer|cust|client|user|credit|card|merchant|merch|account|acct|device|terminal|store|"
    r"payment|order|is)(id|num|number|no|nbr|name|type|category|key|time|date|amount|amt|country|lat|lon|long|"
    r"fraud|card)"
)


@dataclass(frozen=True)
class Column:
    """A column's name and its values in the first rows, an Arrow array of any type."""

    name: str
    values: pa.Array

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The name's words in lower case: ``TX_DATETIME``, ``txDatetime`` and ``txdate`` begin with ``tx``."""
        found: list[str] = []
        for word in _WORDS.findall(self.name):
            glued = _GLUED.fullmatch(word.lower())
            found += glued.groups() if glued else [word.lower()]
        return tuple(found)

    def has(self, *words: str) -> bool:
        """True if the name has one of the words."""
        return not set(words).isdisjoint(self.words)

    @cached_property
    def known(self) -> int:
        """How many values are not null."""
        return len(self.values) - self.values.null_count

    @cached_property
    def texts(self) -> pa.StringArray:
        """The values as text without nulls; empty where they have none, as lists have not."""
        return texts(self.values).drop_null()

    @cached_property
    def distinct(self) -> int:
        """How many different values there are."""
        return int(pc.count_distinct(self.texts).as_py())

    @cached_property
    def few(self) -> tuple[str, ...]:
        """The different values in lower case, the most frequent first; none if they are more than :data:`FEW`."""
        if self.distinct > FEW:
            return ()
        counted = pc.value_counts(pc.utf8_lower(pc.utf8_trim_whitespace(self.texts))).to_pylist()
        return tuple(item["values"] for item in sorted(counted, key=lambda item: (-item["counts"], item["values"])))

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The values as numbers, float64 [N]; empty unless nearly all of them are."""
        read = numbers(self.values).drop_null()
        return read.to_numpy(zero_copy_only=False) if self._nearly_all(len(read)) else np.zeros(0)

    @property
    def is_number(self) -> bool:
        """True if nearly all values are numbers, be it as text."""
        return bool(len(self.numbers))

    @property
    def is_whole(self) -> bool:
        """True for numbers without a fraction."""
        return self.is_number and bool((self.numbers == np.rint(self.numbers)).all())

    @property
    def is_id(self) -> bool:
        """True if the values can tell things apart: text or whole numbers, more than one of them."""
        kind = self.values.type
        odd = pa.types.is_temporal(kind) or pa.types.is_boolean(kind) or (self.is_number and not self.is_whole)
        return not odd and self.distinct > 1

    @property
    def is_unique(self) -> bool:
        """True if no value is missing and none repeats."""
        return 0 < self.known == len(self.values) == self.distinct

    @property
    def holds_card_numbers(self) -> bool:
        """True if most values look like card numbers: by chance a tenth of long numbers does."""
        return self.known > 0 and bool(looks_like_card_number(self.texts).sum() > self.known / 2)

    def within(self, low: float, high: float) -> bool:
        """True for numbers between the two."""
        return self.is_number and bool(((self.numbers >= low) & (self.numbers <= high)).all())

    def fits(self, pattern: str) -> bool:
        """True if nearly all values match a regular expression."""
        return self._nearly_all(int(pc.sum(pc.match_substring_regex(self.texts, pattern)).as_py() or 0))

    def reads_as(self, read: pa.Array) -> bool:
        """True if nearly all values that are there could be read."""
        return self._nearly_all(int(validity(read).sum()))

    def _nearly_all(self, count: int) -> bool:
        return self.known > 0 and count >= NEARLY_ALL * self.known
