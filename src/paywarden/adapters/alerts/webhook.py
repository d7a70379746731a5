"""Alerts posted to a URL as JSON.

Guarantee: :meth:`HttpWebhook.post` returns once the receiver has answered with 2xx. Each post bears the alert's
decision id as ``Idempotency-Key``, the same on every try. With a secret it is signed: ``Paywarden-Signature`` is
``t=<epoch seconds>,v1=<HMAC-SHA256, hex>`` over ``<epoch seconds>.<body>``.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final, final

import httpx
import orjson
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from paywarden.clock import Clock, system_clock
from paywarden.events.posts import PostFailed, PostRefused

_TRIES: Final = 3
"""At once, for a hiccup; a longer outage is the outbox's, which waits longer and holds up nobody."""
_TRANSIENT: Final = frozenset({408, 425, 429})


@final
class HttpWebhook:
    """A receiver at a URL. Redirects are not followed: what is posted is for the named host alone."""

    def __init__(
        self,
        url: str,
        secret: bytes | None = None,
        *,
        timeout_seconds: float = 5.0,
        pause_seconds: float = 0.2,
        clock: Clock = system_clock,
    ) -> None:
        self._url = url
        self._secret = secret
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._client = httpx.Client(timeout=timeout_seconds)

    def post(self, key: str, body: dict[str, Any]) -> None:
        """Returns once it is taken. Raises PostFailed for what may pass, PostRefused for what will not."""
        content = orjson.dumps(body)
        tries = Retrying(
            retry=retry_if_exception_type(PostFailed),
            stop=stop_after_attempt(_TRIES),
            wait=wait_random_exponential(multiplier=self._pause_seconds, max=5.0),
            reraise=True,
        )
        tries(self._post_once, key, content)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _post_once(self, key: str, content: bytes) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, **self._signature(content)}
        try:
            answer = self._client.post(self._url, content=content, headers=headers)
        except httpx.InvalidURL as error:
            raise PostRefused("cases.webhook_url is no URL; correct it.") from error
        except httpx.HTTPError as error:
            raise PostFailed(f"The webhook did not answer ({type(error).__name__}); it is tried again.") from error
        if answer.is_success:
            return
        said = f"The webhook answered {answer.status_code}"
        if answer.is_server_error or answer.status_code in _TRANSIENT:
            raise PostFailed(f"{said}; it is tried again.")
        raise PostRefused(f"{said}; this alert is not posted again.")

    def _signature(self, content: bytes) -> dict[str, str]:
        if self._secret is None:
            return {}
        at = str(self._clock() // 1000)
        signed = hmac.new(self._secret, f"{at}.".encode() + content, hashlib.sha256).hexdigest()
        return {"Paywarden-Signature": f"t={at},v1={signed}"}
