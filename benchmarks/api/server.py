"""One worker of the API as `paywarden serve` runs it, with one path more: authenticated, and doing nothing."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import uvicorn
from fastapi import Request
from fastapi.responses import Response

from paywarden import wiring
from paywarden.scoring.bundle import ModelBundle
from paywarden.service.api.access import KeyRing
from paywarden.service.api.app import scoring_app
from paywarden.service.audit import audit_log
from paywarden.settings import Settings
from paywarden.wiring import scoring_api


@dataclasses.dataclass(frozen=True)
class OneModel:
    """A registry of one version, kept in a directory."""

    directory: Path

    def champion(self) -> tuple[int, str]:
        """The version."""
        return 1, self.get(1).digest

    def get(self, _reference: str | int) -> ModelBundle:
        """Its bundle."""
        return ModelBundle.load(self.directory)


def work(settings: Settings, listening: socket.socket, bundle: Path, log: Path) -> None:
    """Answer until SIGTERM."""
    wiring.registry = lambda _settings: OneModel(bundle)  # type: ignore[assignment,return-value]
    with log.open("a") as file:
        logger = audit_log(file)
        with scoring_api.scoring_parts(settings, logger.warning) as parts:
            parts.models.refresh()
            app, keys = scoring_app(parts, logger), KeyRing(parts.keys, parts.clock, logger)

            @app.post("/null")
            async def null(request: Request) -> Response:
                keys.of(request, "score")
                return Response(await request.body(), media_type="application/json")

            uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listening])
