"""The variables of the Compose stack: made once, kept, and none of them known beforehand."""

from __future__ import annotations

import base64
import itertools

import pytest

from paywarden.jobs.stack_environment import SECRETS, environment_text


def numbered():
    """Bytes that differ at every call."""
    count = itertools.count(1)
    return lambda size: bytes([next(count)]) * size


def values(text):
    return dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))


def test_a_new_file_has_every_secret_and_no_two_are_equal():
    text, changed = environment_text("", numbered())
    found = values(text)
    assert {secret.name for secret in SECRETS} <= found.keys()
    assert set(changed) == found.keys()
    made = [found[secret.name] for secret in SECRETS]
    assert len(set(made)) == len(made)
    assert min(map(len, made)) >= 16


def test_keys_have_the_form_that_their_services_ask_for():
    found = values(environment_text("", numbered())[0])
    assert len(base64.urlsafe_b64decode(found["AIRFLOW_FERNET_KEY"])) == 32
    assert len(base64.urlsafe_b64decode(found["KAFKA_CLUSTER_ID"] + "==")) == 16
    assert not found["KAFKA_CLUSTER_ID"].startswith("-")


def test_what_the_file_says_stays_and_only_what_is_missing_is_added():
    before = "# mine\nREDIS_PASSWORD=chosen\nAIRFLOW_PORT=8088\nPOSTGRES_PASSWORD=\n"
    text, changed = environment_text(before, numbered())
    found = values(text)
    assert text.startswith("# mine\nREDIS_PASSWORD=chosen\nAIRFLOW_PORT=8088\n")
    assert found["POSTGRES_PASSWORD"]
    assert "POSTGRES_PASSWORD" in changed
    assert "REDIS_PASSWORD" not in changed
    assert environment_text(text, numbered()) == (text, [])


@pytest.mark.parametrize(
    ("profile", "profiles", "master"), [("full", "simulation,full", "spark://"), ("small", "simulation", "local[")]
)
def test_a_profile_is_chosen_and_changed_without_touching_secrets(profile, profiles, master):
    other = "small" if profile == "full" else "full"
    first, _ = environment_text("", numbered(), other)
    second, changed = environment_text(first, numbered(), profile)
    assert values(second)["COMPOSE_PROFILES"] == profiles
    assert values(second)["STREAM_MASTER"].startswith(master)
    assert changed == ["COMPOSE_PROFILES", "STREAM_MASTER"]
    assert values(environment_text(second, numbered())[0])["COMPOSE_PROFILES"] == profiles
