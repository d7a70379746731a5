"""What newcomers trip over with Docker Compose: no .env, one that others can read, too little memory, taken ports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

from paywarden.adapters.local.ports import is_free
from paywarden.errors import EnvironmentNotReady

_SECONDS: Final = 30
_GIB: Final = 1 << 30
_LEAST_MEMORY: Final = 7.0
"""GiB; a machine of 8 shows a little less."""


def check_env_file(directory: Path) -> str:
    """The stack's .env, which is there, ours, and nobody else's to read. Raises EnvironmentNotReady."""
    path = directory / ".env"
    if not path.is_file():
        raise EnvironmentNotReady(f"There is no {path}, which holds the stack's secrets. `make stack-init` writes it.")
    facts = path.stat()
    if facts.st_uid != os.getuid() and os.getuid() != 0:
        raise EnvironmentNotReady(f"{path} belongs to user {facts.st_uid}; chown it to you, user {os.getuid()}.")
    if facts.st_mode & 0o077:
        raise EnvironmentNotReady(f"{path} holds secrets and others can read it. `chmod 600 {path}` mends that.")
    return str(path)


def check_engine(least_gibibytes: float = _LEAST_MEMORY) -> str:
    """The engine's version and memory. Raises EnvironmentNotReady where it does not answer or has too little."""
    facts = _json(["docker", "info", "--format", "{{json .}}"])
    memory = int(facts.get("MemTotal", 0)) / _GIB
    if not memory:
        raise EnvironmentNotReady(f"Docker's engine does not answer: {_reason(facts)}. Start it, or join its group.")
    if memory < least_gibibytes:
        raise EnvironmentNotReady(
            f"Docker has {memory:.1f} GiB of memory; the stack wants {least_gibibytes:g}. Give it more."
        )
    return f"engine {facts.get('ServerVersion', '?')}, {memory:.0f} GiB, {facts.get('NCPU', '?')} CPUs"


def check_ports(directory: Path) -> str:
    """The ports that the stack publishes, free or its own. Raises EnvironmentNotReady naming one that is neither."""
    services = _json(["docker", "compose", "config", "--format", "json"], directory).get("services", {})
    wanted = {
        int(port["published"]): name
        for name, service in services.items()
        for port in service.get("ports", [])
        if port.get("published")
    }
    if _run(["docker", "compose", "ps", "--quiet"], directory).strip():
        return f"{len(wanted)} ports, of the stack that is up"
    for port, name in sorted(wanted.items()):
        if not is_free(port):
            raise EnvironmentNotReady(
                f"Port {port}, which {name} publishes, is taken by something else on this machine. Stop that, or set "
                "another port in .env."
            )
    return f"{len(wanted)} ports are free"


def has_docker() -> bool:
    """Whether the command is there."""
    return shutil.which("docker") is not None


def _json(command: list[str], directory: Path | None = None) -> dict[str, Any]:
    text = _run(command, directory)
    try:
        return dict(json.loads(text))
    except ValueError as error:
        raise EnvironmentNotReady(f"`{' '.join(command)}` gave no JSON: {text[:200]}") from error


def _run(command: list[str], directory: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentNotReady(f"`{' '.join(command)}` does not run ({error}). Is Docker's engine up?") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise EnvironmentNotReady(
            f"`{' '.join(command)}` failed: {said[-1][:300] if said else 'it said nothing'}. Is Docker's engine up, "
            "and may you use it?"
        )
    return done.stdout


def _reason(facts: dict[str, Any]) -> str:
    return "; ".join(map(str, facts.get("ServerErrors", []) or ["it said nothing"]))[:300]
