"""The Compose file: only this machine reaches it, nothing has a known password, and no service is left to itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from paywarden.jobs.stack_environment import SECRETS

FOLDER = Path(__file__).parents[2] / "deploy" / "compose"
TEXT = (FOLDER / "compose.yaml").read_text()
STACK = yaml.safe_load(TEXT)
SERVICES = STACK["services"]
ONCE = {name for name, service in SERVICES.items() if service["restart"] == "no"}


@pytest.fixture(params=SERVICES, ids=str)
def service(request):
    return SERVICES[request.param]


def test_every_published_port_is_bound_to_this_machine(service):
    assert all(re.match(r"127\.0\.0\.1:\$\{[A-Z_0-9]+:-\d+\}:\d+$", port) for port in service.get("ports", []))


def test_every_service_has_limits_a_restart_policy_and_logs_that_rotate(service):
    assert {"memory", "cpus"} <= service["deploy"]["resources"]["limits"].keys()
    assert service["restart"] in ("unless-stopped", "no")
    assert {"max-size", "max-file"} <= service["logging"]["options"].keys()
    assert service["networks"] == ["platform"]


def test_every_service_that_goes_on_has_a_healthcheck_old_engines_know(service):
    if service["restart"] != "no":
        assert service["healthcheck"]["test"]
        assert "start_interval" not in service["healthcheck"]


def test_services_gain_no_privileges(service):
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    if service.get("user") == "root":
        assert service["restart"] == "no"


def test_no_service_that_goes_on_is_root(service):
    """Images of ours and of Kafka name their own user; the others are told one."""
    told = re.match(r"\$\{(PRODUCT|AIRFLOW|KAFKA)_IMAGE", service["image"]) or service.get("user")
    assert told or service["restart"] == "no"


def test_healthchecks_of_our_own_pages_start_no_python():
    for name in ("serve", "alerts", "console"):
        assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
        assert "python" not in " ".join(SERVICES[name]["healthcheck"]["test"])


def test_every_image_can_be_replaced_by_a_variable(service):
    assert re.match(r"\$\{[A-Z0-9_]+_IMAGE:-[a-z0-9./-]+:[A-Za-z0-9._-]+\}$", service["image"])


def test_who_waits_waits_for_health_or_for_a_task_that_is_done(service):
    for name, how in service.get("depends_on", {}).items():
        expected = "service_completed_successfully" if name in ONCE else "service_healthy"
        assert how["condition"] == expected, name


def test_secrets_come_from_the_file_of_variables_alone():
    names = {secret.name for secret in SECRETS}
    used = set(re.findall(r"\$\{([A-Z0-9_]+):\?run make stack-init\}", TEXT))
    assert used == names
    for variable, default in re.findall(r"\$\{([A-Z0-9_]+)(:?[-?][^}]*)?\}", TEXT):
        assert variable not in names or default == ":?run make stack-init", variable
    assert not re.search(r"(?i)(password|secret|fernet)[a-z_]*: +[\w-]+$", TEXT, re.MULTILINE)


def test_compose_refuses_to_start_without_them_and_says_what_to_do(tmp_path):
    _require_compose()
    asked = subprocess.run(_config(tmp_path / "none"), capture_output=True, text=True, check=False)
    assert asked.returncode != 0
    assert "run make stack-init" in asked.stderr


@pytest.mark.parametrize("overrides", [[], ["confluent-cloud.yaml"], ["external-s3.yaml"]], ids=str)
@pytest.mark.parametrize("profile", ["", "full", "observability"])
def test_compose_finds_the_file_valid(tmp_path, profile, overrides):
    _require_compose()
    variables = tmp_path / "variables"
    confluent = [f"CONFLUENT_{name}=x" for name in ("BOOTSTRAP_SERVERS", "API_KEY", "API_SECRET")]
    variables.write_text("\n".join([f"{secret.name}=x" for secret in SECRETS] + confluent))
    command = _config(variables, profile, overrides)
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
    assert asked.stderr == ""


def _config(variables, profile="", overrides=()):
    variables.touch()
    files = [word for name in ("compose.yaml", *overrides) for word in ("--file", str(FOLDER / name))]
    return ["docker", "compose", *files, "--env-file", str(variables), "--profile", profile, "config", "--quiet"]


def _require_compose():
    if shutil.which("docker") is None:
        pytest.skip("there is no docker here to ask")
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("this docker has no compose plugin")
