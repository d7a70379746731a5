"""The Java runtime that Spark and the local Kafka broker need."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from paywarden.errors import EnvironmentNotReady

MINIMUM_JAVA = 17
"""Spark 4 and Kafka 4 are compiled for Java 17."""

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_REMEDY = (
    f"Install a Java {MINIMUM_JAVA} or newer runtime (for example `apt-get install openjdk-17-jre-headless` or "
    "`brew install openjdk@17`), or point JAVA_HOME at one."
)


@dataclass(frozen=True)
class Java:
    """A Java runtime: the executable to call and its feature version (8, 17, 21, …)."""

    executable: str
    version: int


def require_java(minimum: int = MINIMUM_JAVA) -> Java:
    """The Java runtime of JAVA_HOME, else of PATH, which is also Spark's order.

    Raises :class:`EnvironmentNotReady` with the remedy when it is absent, does not run or is older than ``minimum``.
    """
    executable = _find()
    version = _feature_version(executable)
    if version < minimum:
        raise EnvironmentNotReady(f"{executable} is Java {version}; Java {minimum} or newer is needed. {_REMEDY}")
    return Java(executable, version)


def _find() -> str:
    home = os.environ.get("JAVA_HOME")
    if home:
        candidate = Path(home) / "bin" / "java"
        if not candidate.exists():
            raise EnvironmentNotReady(f"JAVA_HOME is {home}, but {candidate} does not exist. {_REMEDY}")
        return str(candidate)
    found = shutil.which("java")
    if found is None:
        raise EnvironmentNotReady(f"No `java` on PATH and JAVA_HOME is not set. {_REMEDY}")
    return found


def _feature_version(executable: str) -> int:
    try:
        answer = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentNotReady(f"{executable} does not run ({error}). {_REMEDY}") from error
    match = _VERSION.search(answer.stderr + answer.stdout)
    if match is None:
        said = (answer.stderr + answer.stdout).strip() or f"nothing, exit status {answer.returncode}"
        raise EnvironmentNotReady(f"`{executable} -version` gave no version but said: {said}. {_REMEDY}")
    return int(match.group(1))
