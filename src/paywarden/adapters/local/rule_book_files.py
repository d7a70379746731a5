"""Rule books as files, each under its digest, beside the manifests that name them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from paywarden.adapters.local.durable import replace_durably
from paywarden.errors import DataError, StreamError
from paywarden.scoring.canonical import sha256_hex
from paywarden.scoring.rules.book_bytes import from_bytes
from paywarden.scoring.rules.rule_book import RuleBook


@dataclass(frozen=True)
class RuleBookFiles:
    """Books under a directory that every driver of the stream can reach; one file for each that was ever in force.

    Guarantee: :meth:`keep` returns once the file is on disk; it appears whole or not at all.
    """

    root: Path

    def keep(self, book: RuleBook) -> None:
        """Store a book, unless it is there and whole. Raises StreamError where the disk refuses it."""
        path, content = self._path(book.digest), book.content
        try:
            if path.exists() and path.read_bytes() == content:
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_durably(path, content.decode())
        except OSError as error:
            raise StreamError(
                f"the lists and rules cannot be kept at {path} ({error.strerror or error}); free some space or correct "
                "its rights, then start the stream again: the batch has not begun, nothing is lost"
            ) from error

    def read(self, digest: str) -> RuleBook | None:
        """The book of a digest, or None. Raises DataError where its file cannot be read or was altered."""
        path = self._path(digest)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(f"the kept policy {path} cannot be read ({error.strerror or error})") from error
        if sha256_hex(content) != digest:
            raise DataError(f"the kept policy {path} was altered: its name is not its SHA-256; restore the file")
        return from_bytes(content)

    def place(self, digest: str) -> str:
        """The path of a book."""
        return str(self._path(digest))

    def _path(self, digest: str) -> Path:
        return self.root / f"{digest}.json"
