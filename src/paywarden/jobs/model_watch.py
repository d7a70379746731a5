"""Looks for another champion in a thread of its own, so that no micro-batch waits for a registry or a download."""

from __future__ import annotations

import threading
from typing import Protocol, Self, TypeAlias

from paywarden.errors import BundleError, PaywardenError
from paywarden.jobs.serving import ServedModel

_Seen: TypeAlias = tuple[ServedModel, ServedModel | None] | PaywardenError
_END_SECONDS = 2.0
"""How long the end waits for a look that is under way; a registry that hangs must not hold up a stream that stops."""


class Models(Protocol):
    """Where served models come from; asking may take as long as a registry takes."""

    def champion(self) -> ServedModel:
        """The model to serve now."""

    def challenger(self) -> ServedModel | None:
        """The model to score beside it, if any."""

    def exact(self, version: str, digest: str) -> ServedModel:
        """The very model that a manifest names."""


class ModelWatch:
    """The models as they were at the last look, of which there is one every ``poll_seconds``.

    What a look finds is verified and ready when it is given, so a question never waits for one; only the first question
    waits for the first look. As a context it watches; without, the first question takes the only look.
    """

    def __init__(self, models: Models, poll_seconds: float) -> None:
        self._models = models
        self._poll_seconds = poll_seconds
        self._looking = threading.Lock()
        self._seen: _Seen | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="model-watch", daemon=True)

    def champion(self) -> ServedModel:
        """The champion at the last look. Raises what that look raised."""
        return self._given()[0]

    def challenger(self) -> ServedModel | None:
        """The challenger at the last look. Raises what that look raised."""
        return self._given()[1]

    def exact(self, version: str, digest: str) -> ServedModel:
        """The very model that a manifest names."""
        return self._models.exact(version, digest)

    def look(self) -> None:
        """Look now; what is found is given from then on."""
        with self._looking:
            self._seen = self._found()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join(_END_SECONDS)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _watch(self) -> None:
        self._last_look()
        while not self._ended.wait(self._poll_seconds):
            self.look()

    def _found(self) -> _Seen:
        try:
            return self._models.champion(), self._models.challenger()
        except PaywardenError as error:
            return error
        except Exception as error:  # noqa: BLE001  # a look that dies would leave the stream on its model for ever
            return BundleError(f"the champion cannot be made ready: {error!r}")

    def _last_look(self) -> _Seen:
        with self._looking:  # the first look may be under way
            if self._seen is None:
                self._seen = self._found()
            return self._seen

    def _given(self) -> tuple[ServedModel, ServedModel | None]:
        seen = self._seen or self._last_look()
        if isinstance(seen, PaywardenError):
            raise seen
        return seen
