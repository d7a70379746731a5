"""A Compose project of its own: free ports, secrets of its own, a small world; brought up from nothing, taken away."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = "paywarden-test"
FOLDER = ROOT / ".cache" / "stack-test"

# Some weeks of a small world and few trees train in seconds; few frauds have to do.
SETTINGS = """\
stream:
  trigger_interval_seconds: 5
  max_offsets_per_batch: 20000
  spark_options:
    spark.ui.enabled: "true"
    spark.driver.memory: 768m
    spark.executor.memory: 768m
    spark.cores.max: "2"
training:
  strategies: [none]
  imbalance: none
  tuning_trials: 2
  tuning_folds: 1
  threads: 1
  hyperparameters: {max_rounds: 60, early_stopping_rounds: 15}
gate: {fewest_positives: 50, resamples: 500}
"""
WORLD = {
    "PRODUCER_CARDS": "600",
    "PRODUCER_FRAUD_RATE": "0.04",
    "PRODUCER_RATE": "5",
    "ARCHIVE_SECONDS": "5",
}
PORTS = (
    "KAFKA",
    "S3",
    "S3_CONSOLE",
    "MLFLOW",
    "AIRFLOW",
    "STREAM_UI",
    "SPARK",
    "FLOWER",
    "API",
    "CONSOLE",
    "PROMETHEUS",
)
PORTS += ("GRAFANA",)
LEFT_OUT = "STACK_TEST_LEFT_OUT"
"""The variable with the services that the person who runs the test has left out."""


class StackError(Exception):
    """What went wrong, for the person who runs the test."""


class Stack:
    """The project; ``variables`` are what its services were told, secrets included, as a file of FOLDER keeps them."""

    def __init__(self) -> None:
        self._file = FOLDER / "variables"
        self.variables: dict[str, str] = {}

    def begin(self, profile: str, left_out: Sequence[str] = ()) -> None:
        """New secrets and free ports; nothing is left of an earlier platform."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        self._file.unlink(missing_ok=True)
        subprocess.run(
            [sys.executable, "-m", "paywarden.cli.app", "init", "--file", str(self._file), "--profile", profile],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        settings = FOLDER / "paywarden.yaml"
        settings.write_text(SETTINGS)
        settings.chmod(0o644)  # containers read it as another user
        ports = {f"{name}_PORT": str(port) for name, port in zip(PORTS, _free_ports(len(PORTS)), strict=True)}
        self.variables = {**self._written(), **WORLD, **ports, "SETTINGS_FILE": str(settings)}
        self.variables["COMPOSE_PROFILES"] += ",observability"
        self.variables[LEFT_OUT] = " ".join(left_out)
        self._write()
        self.take_down()

    def resume(self) -> None:
        """Take up the platform that an earlier test left up. Raises StackError where there is none."""
        self.variables = self._written() if self._file.exists() else {}
        if not self.variables or not self.containers():
            raise StackError("No platform is left up to go on with: run the test with --keep first.")

    def set(self, **variables: str) -> None:
        """Change variables for services that are created from now on."""
        self.variables.update(variables)
        self._write()

    def port(self, name: str) -> int:
        """The port of this machine that leads to KAFKA, S3, MLFLOW, AIRFLOW, …"""
        return int(self.variables[f"{name}_PORT"])

    def compose(self, *arguments: str, seconds: float = 600, quiet: bool = True) -> str:
        """What `docker compose` printed. Raises StackError where it failed."""
        command = ["docker", "compose", "--project-name", PROJECT, "--env-file", str(self._file)]
        command += ["--file", str(ROOT / "deploy/compose/compose.yaml"), *arguments]
        # Compose prefers the environment to the file: a developer's own variables must not get in.
        environment = {name: value for name, value in os.environ.items() if name not in self.variables}
        try:
            done = subprocess.run(
                command, capture_output=quiet, text=True, timeout=seconds, check=False, env=environment
            )
        except subprocess.TimeoutExpired as error:
            raise StackError(f"`docker compose {' '.join(arguments)}` took more than {seconds:.0f} s") from error
        if done.returncode:
            said = (done.stderr or "")[-3000:]
            raise StackError(f"`docker compose {' '.join(arguments)}` ended with {done.returncode}:\n{said}")
        return done.stdout or ""

    def up(self, *services: str, seconds: float = 600) -> None:
        """Start services (all that are not left out) and wait until they are healthy."""
        chosen = services or self.services()
        self.compose("up", "--detach", "--no-build", "--wait", "--wait-timeout", str(int(seconds)), *chosen)

    def services(self) -> list[str]:
        """What is to run: the services of the profiles, without those left out."""
        left_out = self.variables[LEFT_OUT].split()
        return [name for name in self.compose("config", "--services").split() if name not in left_out]

    def containers(self) -> dict[str, dict[str, str]]:
        """Service → its container's Name, State, Health and ExitCode."""
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        return {found["Service"]: found for found in map(json.loads, lines)}

    def wait_healthy(self, service: str, seconds: float = 420) -> float:
        """The seconds until a service was healthy."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if self.containers().get(service, {}).get("Health") == "healthy":
                return time.monotonic() - began
            time.sleep(1)
        found = self.containers().get(service, {})
        standing = f"{found.get('State')} {found.get('Health')}"
        raise StackError(f"{service} is not healthy after {seconds:.0f} s but {standing}")

    def run(self, service: str, *command: str) -> str:
        """What a command printed in a service's container."""
        return self.compose("exec", "--no-TTY", service, *command)

    def take_down(self) -> None:
        """No container, network or volume of the project is left."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "20")

    def left_behind(self) -> str:
        """What of the project is still there."""
        label = f"label=com.docker.compose.project={PROJECT}"
        kinds = (["ps", "--all"], ["volume", "ls"], ["network", "ls"])
        asked = [["docker", *kind, "--quiet", "--filter", label] for kind in kinds]
        return "".join(subprocess.run(words, capture_output=True, text=True, check=True).stdout for words in asked)

    def _written(self) -> dict[str, str]:
        lines = self._file.read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if not line.startswith("#"))

    def _write(self) -> None:
        self._file.write_text("".join(f"{name}={value}\n" for name, value in self.variables.items()))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for some in sockets:
            some.bind(("127.0.0.1", 0))
        return [some.getsockname()[1] for some in sockets]
    finally:
        for some in sockets:
            some.close()
