"""Processes on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from paywarden.adapters.local.process import ChildProcess
from paywarden.adapters.local.servers import LocalServers
from paywarden.settings import Settings

Servers = LocalServers
Child = ChildProcess


def local_servers(settings: Settings, directory: Path) -> LocalServers:
    """Kafka and MLflow for this machine, not started yet."""
    return LocalServers(directory, settings.cache_dir)


def command_process(name: str, arguments: list[str], log: Path, environment: dict[str, str]) -> ChildProcess:
    """A `paywarden` command as a child process, not started yet; ``environment`` is added to ours."""
    command = [sys.executable, "-m", "paywarden.cli.app", *arguments]
    return ChildProcess(name, command, log, environment={**os.environ, **environment})
