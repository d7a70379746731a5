"""New alerts to a webhook: each until it is taken, with a growing pause between tries.

At least once: a receiver that took an alert and was not heard gets it again, under the same key, and can tell by that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from paywarden.clock import Clock
from paywarden.events.posts import DuePost, PostFailed, PostRefused

_FIRST_PAUSE_MS: Final = 5_000
_LONGEST_PAUSE_MS: Final = 600_000
_MOST_ATTEMPTS: Final = 150
"""With pauses of ten minutes, about a day."""


class PostOutbox(Protocol):
    """Posts that wait."""

    def due(self, now: int, most: int) -> Sequence[DuePost]:
        """Those whose time has come, the longest waiting first."""

    def posted(self, decision_id: str, now: int) -> None:
        """The receiver has taken it."""

    def failed(self, decision_id: str, next_at: int | None, error: str) -> None:
        """It was not taken; try again at ``next_at``, or never."""


class Webhook(Protocol):
    """The receiver."""

    def post(self, key: str, body: dict[str, Any]) -> None:
        """Returns once it is taken. Raises PostFailed, PostRefused."""


def post_alerts(outbox: PostOutbox, webhook: Webhook, clock: Clock, most: int = 50) -> int:
    """Post what is due; how many alerts were taken. The first that fails for now ends the round: others would, too."""
    taken = 0
    for due in outbox.due(clock(), most):
        name = due.alert.decision_id
        try:
            webhook.post(name, due.body())
        except PostRefused as error:
            outbox.failed(name, None, str(error))
        except PostFailed as error:
            pause = min(_FIRST_PAUSE_MS * 2 ** min(due.attempts, 10), _LONGEST_PAUSE_MS)
            outbox.failed(name, clock() + pause if due.attempts + 1 < _MOST_ATTEMPTS else None, str(error))
            break
        else:
            outbox.posted(name, clock())
            taken += 1
    return taken
