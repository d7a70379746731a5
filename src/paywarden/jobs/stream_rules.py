"""Which lists and rules a micro-batch is decided by: those in force when it is planned, also when it is repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from paywarden.errors import StreamError
from paywarden.features.manifest import BatchManifest
from paywarden.jobs.live_rules import LiveRules
from paywarden.jobs.serving import ServedModel
from paywarden.scoring.rules.rule_book import RuleBook


class KeptBooks(Protocol):
    """Durable rule books, by digest, for every driver of the stream."""

    def keep(self, book: RuleBook) -> None:
        """Store one, unless it is there."""

    def read(self, digest: str) -> RuleBook | None:
        """The book of a digest, or None. Raises DataError where it was altered."""

    def place(self, digest: str) -> str:
        """Where a book is looked for, in words of whoever can put it back."""


class StreamRules:
    """The rule book of a batch. The file is looked at between two batches, and never within one.

    A book is kept before a manifest names it, so that a batch that is repeated after the file was edited is decided by
    the lists and rules that it was planned with.
    """

    def __init__(self, live: LiveRules, kept: KeptBooks, warn: Callable[[str], None]) -> None:
        self._live = live
        self._kept = kept
        self._warn = warn
        self._warned: str | None = None
        self._newest: str | None = None

    def now(self, acting: ServedModel) -> RuleBook:
        """The book for a new batch of this model. A file that is wrong is told, and the former goes on."""
        features = acting.engine.catalogue.names
        self._live.refresh(features)
        book = self._live.current
        self._warn_of_lacking(sorted(book.features - set(features)), acting)
        if book and book.digest != self._newest:
            self._kept.keep(book)
            self._newest = book.digest
        return book

    def planned(self, manifest: BatchManifest) -> RuleBook:
        """The book of a batch that is repeated. Raises StreamError where it is lost: no other one may decide."""
        digest = manifest.rules_digest
        if digest is None:
            return RuleBook()
        book = self._live.current if self._live.current.digest == digest else self._kept.read(digest)
        if book is None:
            raise StreamError(
                f"batch {manifest.batch} of epoch {manifest.stream_epoch} was planned with the policy {digest[:12]}, "
                f"which is not at {self._kept.place(digest)} any more; restore that file, or put the policy file back "
                "as it was then, and start the stream again: it goes on with the new one once the batch is done"
            )
        return book

    def _warn_of_lacking(self, lacking: list[str], acting: ServedModel) -> None:
        """A rule that reads what the model has not holds nowhere, which must be known."""
        text = (
            f"version {acting.version} has no {', '.join(lacking)}: rules that read it hold of no payment; correct the "
            "policy file, without which the stream will not start again"
        )
        if lacking and text != self._warned:
            self._warn(text)
        self._warned = text if lacking else None
