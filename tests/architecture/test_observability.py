"""What Prometheus and Grafana are told is so: every figure they name is one that the code has, and is documented."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from paywarden.jobs import monitor_report
from paywarden.service.api.metrics import ApiMetrics
from paywarden.service.metrics.alerts import AlertMetrics
from paywarden.service.metrics.archiver import ArchiverMetrics
from paywarden.service.metrics.console import ConsoleMetrics
from paywarden.service.metrics.endpoint import new_registry
from paywarden.service.metrics.producer import ProducerMetrics
from paywarden.service.metrics.stream import StreamMetrics

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "compose"
RULES = yaml.safe_load((FOLDER / "prometheus" / "rules.yml").read_text())["groups"][0]["rules"]
SCRAPED = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
SERVICES = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
DASHBOARDS = sorted((FOLDER / "grafana" / "dashboards").glob("*.json"))
DOCUMENT = (ROOT / "docs" / "monitoring.md").read_text()
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "info": ("_info",),
}


def families():
    """Every family of figures that a part of ours has."""
    registries = [new_registry("any"), *(CollectorRegistry() for _ in range(4))]
    for make, registry in zip(
        (StreamMetrics, ArchiverMetrics, ProducerMetrics, AlertMetrics), registries, strict=False
    ):
        make(registry, lambda: 0)
    ConsoleMetrics(registries[4])
    api = ApiMetrics()
    return [family for registry in (*registries, api._registry) for family in registry.collect()]


FAMILIES = {family.name: family.type for family in families() if family.name.startswith("paywarden_")}
MONITOR = {
    f"paywarden_monitor_{name}" for name in re.findall(r'Metric\("(\w+)"', Path(monitor_report.__file__).read_text())
}
SERIES = {name + suffix for name, kind in FAMILIES.items() for suffix in SUFFIXES[kind]} | MONITOR


def panels(path):
    return json.loads(path.read_text())["panels"]


def expressions():
    found = [(rule["alert"], rule["expr"]) for rule in RULES]
    for path in DASHBOARDS:
        found += [(panel["title"], target["expr"]) for panel in panels(path) for target in panel["targets"]]
    return found


@pytest.mark.parametrize(("place", "expression"), expressions(), ids=lambda text: text[:40])
def test_an_expression_names_only_series_that_the_code_has(place, expression):
    named = set(re.findall(r"\bpaywarden_\w+", expression))
    assert named or "ALERTS" in expression or "up{" in expression
    assert named - SERIES == set(), place


def test_a_wrong_series_would_be_found():
    assert "paywarden_stream_events_total" in SERIES
    assert "paywarden_stream_latency_seconds_bucket" in SERIES
    assert "paywarden_monitor_verdict" in SERIES
    assert {"paywarden_stream_events", "paywarden_stream_lag"} & SERIES == set()


def test_the_document_has_a_line_for_every_figure_and_every_alert():
    listed = set(re.findall(r"^\| `(paywarden_\w+)` \|", DOCUMENT, re.MULTILINE))
    assert listed == set(FAMILIES)
    assert set(re.findall(r"^\| `([A-Z]\w+)` \|", DOCUMENT, re.MULTILINE)) == {rule["alert"] for rule in RULES}
    assert all(f"_{name.removeprefix('paywarden_monitor_')}`" in DOCUMENT for name in MONITOR)


def test_every_alert_says_how_grave_it_is_and_what_has_happened():
    for rule in RULES:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]


def test_prometheus_asks_every_service_that_shows_figures_and_no_other():
    asked = {target for job in SCRAPED for one in job["static_configs"] for target in one["targets"]}
    shown = {
        f"{name}:{service['environment']['PAYWARDEN_METRICS__PORT']}"
        for name, service in SERVICES.items()
        if "PAYWARDEN_METRICS__PORT" in (service.get("environment") or {}) and service["restart"] != "no"
    }
    assert asked == shown | {"serve:8000"}
    assert all(SERVICES[target.split(":")[0]] for target in asked)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_whole(path):
    found = json.loads(path.read_text())
    source = yaml.safe_load((FOLDER / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    uid = source["datasources"][0]["uid"]
    assert found["uid"].startswith("paywarden-")
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
    taken = set()
    for panel in found["panels"]:
        assert panel["title"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {panel["datasource"]["uid"]} == {uid}
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_no_two_dashboards_have_one_name():
    names = [json.loads(path.read_text())["uid"] for path in DASHBOARDS]
    assert len(names) == len(set(names)) == 3
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert Path(home).name in {path.name for path in DASHBOARDS}


def test_alerts_are_raised_when_things_break_and_only_then():
    if shutil.which("promtool") is None:
        missing = "there is no promtool here (Debian's package prometheus has it) to try the rules with"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    for words in (["check", "config", FOLDER / "prometheus/prometheus.yml"], ["test", "rules", RULES_TEST]):
        tried = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
        assert tried.returncode == 0, tried.stdout + tried.stderr


def test_every_alert_is_seen_to_be_raised():
    raised = {
        case["alertname"]
        for test in yaml.safe_load(RULES_TEST.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert raised == {rule["alert"] for rule in RULES}


RULES_TEST = Path(__file__).with_name("rules_test.yml")
