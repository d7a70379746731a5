"""What the Compose stack is started with: generated secrets in a file of variables, kept once they are made."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

RandomBytes = Callable[[int], bytes]
"""So many bytes that nobody can guess."""

_HEAD = """\
# Made by `paywarden init`, which adds what is missing and changes nothing. These are secrets: readable by you alone,
# never in git. Databases keep the passwords that they were made with: keep this file with their backup.
"""
_VARIABLE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)$")

PROFILES: Final[Mapping[str, Mapping[str, str]]] = {
    "small": {"COMPOSE_PROFILES": "simulation", "STREAM_MASTER": "local[2]"},
    "full": {"COMPOSE_PROFILES": "simulation,full", "STREAM_MASTER": "spark://spark-master:7077"},
}
"""By name, what a profile sets: small has Spark inside the stream, full a Spark cluster and Flower."""


def _password(random_bytes: RandomBytes) -> str:
    return random_bytes(16).hex()  # hexadecimal: also good inside a URL, a shell and JSON


def _fernet_key(random_bytes: RandomBytes) -> str:
    return base64.urlsafe_b64encode(random_bytes(32)).decode()


def _cluster_id(random_bytes: RandomBytes) -> str:
    # Kafka's own form, a UUID in base64; an id that begins with a dash would pass for an option.
    return "k" + base64.urlsafe_b64encode(random_bytes(16)).decode()[1:22]


def _access_key(random_bytes: RandomBytes) -> str:
    return "paywarden" + random_bytes(5).hex()


@dataclass(frozen=True)
class Secret:
    """A variable of the stack, how it is made and what it is for."""

    name: str
    make: Callable[[RandomBytes], str]
    purpose: str


SECRETS: Final = (
    Secret("KAFKA_CLUSTER_ID", _cluster_id, "the id that Kafka's data directory is formatted with"),
    Secret("POSTGRES_PASSWORD", _password, "PostgreSQL's superuser"),
    Secret("AIRFLOW_DATABASE_PASSWORD", _password, "Airflow's role in PostgreSQL"),
    Secret("MLFLOW_DATABASE_PASSWORD", _password, "MLflow's role in PostgreSQL"),
    Secret("TUNING_DATABASE_PASSWORD", _password, "Paywarden's role in PostgreSQL, for searches of hyperparameters"),
    Secret("CASES_DATABASE_PASSWORD", _password, "Paywarden's role in PostgreSQL, for alerts and cases"),
    Secret("REDIS_PASSWORD", _password, "online state and Celery's queue"),
    Secret("S3_ACCESS_KEY", _access_key, "the object store's user"),
    Secret("S3_SECRET_KEY", _password, "the object store's password"),
    Secret("AIRFLOW_FERNET_KEY", _fernet_key, "encrypts Airflow's connections in its database"),
    Secret("AIRFLOW_JWT_SECRET", _password, "signs what Airflow's parts say to its API"),
    Secret("AIRFLOW_SECRET_KEY", _password, "signs the cookies of Airflow's web page"),
    Secret("AIRFLOW_ADMIN_PASSWORD", _password, "of the user admin on Airflow's web page"),
    Secret("FLOWER_PASSWORD", _password, "of the user admin on Flower's web page"),
    Secret("CONSOLE_ADMIN_PASSWORD", _password, "of the user admin in the console"),
    Secret("GRAFANA_PASSWORD", _password, "of the user admin on Grafana's web page"),
)


def environment_text(existing: str, random_bytes: RandomBytes, profile: str | None = None) -> tuple[str, list[str]]:
    """The file's new text and the names that were added or changed.

    Every line of ``existing`` stays as it is, but those of the profile where one is given; a secret that is empty or
    missing is made. Without a profile given, a new file gets the small one.
    """
    lines = (existing or _HEAD).rstrip("\n").split("\n")
    known = _values(lines)
    changed: list[str] = []
    wanted = dict(PROFILES[profile or "small"])
    for name, value in wanted.items():
        if name not in known or (profile and known[name] != value):
            lines = _with(lines, name, value)
            changed.append(name)
    for secret in SECRETS:
        if not known.get(secret.name):
            lines = _with(lines, secret.name, secret.make(random_bytes), secret.purpose)
            changed.append(secret.name)
    return "\n".join(lines) + "\n", changed


def _values(lines: list[str]) -> dict[str, str]:
    found = (_VARIABLE.match(line) for line in lines)
    return {match[1]: match[2].strip() for match in found if match}


def _with(lines: list[str], name: str, value: str, purpose: str | None = None) -> list[str]:
    """The lines with this variable: in place of its present line, else at the end."""
    places = [place for place, line in enumerate(lines) if (match := _VARIABLE.match(line)) and match[1] == name]
    if places:
        return [f"{name}={value}" if place == places[-1] else line for place, line in enumerate(lines)]
    return [*lines, *([f"# {purpose}"] if purpose else []), f"{name}={value}"]
