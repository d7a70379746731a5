"""The rule book in force: read again when its file changes, the last good one kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from paywarden.errors import ConfigurationError
from paywarden.scoring.rules.policy_file import read_rule_book
from paywarden.scoring.rules.rule_book import RuleBook


class LiveRules:
    """The book of a policy file, or an empty one without a file. Threads may read ``current`` at any time.

    Raises ConfigurationError where the file is wrong at first; later a wrong one is told and not taken up.
    """

    def __init__(
        self, path: Path | None, fields: Sequence[str], say: Callable[[str], None], warn: Callable[[str], None]
    ) -> None:
        self._path = path
        self._fields = fields
        self._say = say
        self._warn = warn
        self._seen = self._stamp()
        self.current = self._read(None)

    def refresh(self, features: Sequence[str] | None = None) -> None:
        """Take up the file if it has changed and is right; ``features`` are those of the acting model, where known."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            book = self._read(features)
        except ConfigurationError as error:
            self._warn(f"the former policy goes on: {error}")
            return
        if book.digest != self.current.digest:
            self._say(in_force(book))
        self.current = book

    def _read(self, features: Sequence[str] | None) -> RuleBook:
        if self._path is None:
            return RuleBook()
        book = read_rule_book(self._path)
        book.require(self._fields, features)
        return book

    def _stamp(self) -> tuple[int, int] | None:
        """Changes with the file; None without one, so that a file that was removed is no change to an empty book."""
        try:
            found = self._path.stat() if self._path else None
        except OSError:
            return None
        return None if found is None else (found.st_mtime_ns, found.st_size)


def in_force(book: RuleBook) -> str:
    """A sentence on a book that is in force from now on."""
    return f"the policy {book.digest[:12]} is in force: {len(book.lists)} lists, {len(book.rules)} rules"
