"""The MLflow server as seen from here: its version beside the client's, and its clock."""

from __future__ import annotations

import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Final

from paywarden.errors import RegistryError

_SECONDS: Final = 5.0


def check_server(tracking_uri: str) -> str:
    """The server's version, which goes with the client's. Raises RegistryError with the remedy."""
    mine = version("mlflow")
    if not tracking_uri.startswith("http"):
        return f"no server: {tracking_uri.split(':', 1)[0]} is used by client {mine} itself"
    theirs, _ = _ask(tracking_uri)
    if theirs.split(".")[0] != mine.split(".")[0]:
        raise RegistryError(
            f"The MLflow server at {tracking_uri} is version {theirs}, the client here {mine}: another major version. "
            "Install the same one on both sides."
        )
    return f"server {theirs}, client {mine}"


def server_clock(tracking_uri: str) -> int | None:
    """The server's present in epoch ms, by the Date header of its answer; None where there is no server or header."""
    if not tracking_uri.startswith("http"):
        return None
    _, date = _ask(tracking_uri)
    return None if date is None else int(parsedate_to_datetime(date).timestamp() * 1000)


def _ask(tracking_uri: str) -> tuple[str, str | None]:
    """The version that the server says, and the Date header of its answer."""
    address = f"{tracking_uri.rstrip('/')}/version"
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer:  # noqa: S310  # the operator's own URL
            return answer.read(100).decode(errors="replace").strip(), answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        remedy = (
            "The server does not allow this name: add it to its --allowed-hosts."
            if error.code == 403
            else "Is this an MLflow server? Correct mlflow.tracking_uri."
        )
        raise RegistryError(f"{address} answered {error.code} {error.reason}. {remedy}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise RegistryError(
            f"No MLflow server answers at {tracking_uri} ({reason}). Start it, or correct mlflow.tracking_uri."
        ) from error
