"""One at a time may move a model's aliases: a lease made of tags, since MLflow has no compare-and-set.

Who wants the lease tags the registered model under a key of its own, then reads all such tags. Alone, it holds the
lease; with others, it takes its tag back and tries again a little later. Of two that overlap at least one sees the
other, because each writes before it reads, so both never hold it. A tag of somebody who died is passed over once it is
older than `_LONGEST_MS`; a holder is done in a few requests, and gives up if it has taken half of that.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from paywarden.clock import Clock
from paywarden.errors import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PREFIX: Final = "paywarden.moving."
_LONGEST_MS: Final = 60_000
_ATTEMPTS: Final = 40
_PAUSE_SECONDS: Final = 0.3


@contextmanager
def alias_lease(
    client: MlflowClient, model: str, clock: Clock, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Callable[[], None]]:
    """A context in which no other process moves the model's aliases; what it gives is to be called before each move.

    Raises RegistryError where others hold the lease for long, and from the call where this one has held it too long.
    """
    key, began = _taken(client, model, clock, sleep)

    def still_held() -> None:
        if clock() - began > _LONGEST_MS // 2:
            raise RegistryError(f"Moving an alias of {model!r} took too long and was given up. Try again.")

    try:
        yield still_held
    finally:
        with suppress(Exception):  # it ends by its age
            client.delete_registered_model_tag(model, key)


def _taken(client: MlflowClient, model: str, clock: Clock, sleep: Callable[[float], None]) -> tuple[str, int]:
    for _ in range(_ATTEMPTS):
        own = uuid.uuid4()
        key, now = f"{_PREFIX}{own.hex}", clock()
        client.set_registered_model_tag(model, key, str(now))
        tags = client.get_registered_model(model).tags
        others = {k: v for k, v in tags.items() if k.startswith(_PREFIX) and k != key}
        if not any(_is_live(value, now) for value in others.values()):
            for dead in others:
                with suppress(Exception):
                    client.delete_registered_model_tag(model, dead)
            return key, now
        client.delete_registered_model_tag(model, key)
        sleep(_PAUSE_SECONDS * (0.5 + own.int % 1000 / 500))  # not in step with the others
    raise RegistryError(f"Others keep moving the aliases of {model!r}. Try again in a minute.")


def _is_live(value: str, now: int) -> bool:
    return value.isdigit() and now - int(value) < _LONGEST_MS
