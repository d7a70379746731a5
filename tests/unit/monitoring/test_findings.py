import pytest

from paywarden.monitoring.findings import Finding, by_gravity, reasons, verdict_on


def finding(severity, *, fault=False):
    return Finding("kind", "subject", severity, f"{severity} {fault}", fault=fault)


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([], "quiet"),
        ([finding("watch")], "watch"),
        ([finding("watch"), finding("alarm")], "alarm"),
        ([finding("alarm"), finding("retrain")], "retrain"),
        ([finding("retrain"), finding("alarm", fault=True)], "alarm"),
        ([finding("retrain"), finding("watch", fault=True)], "retrain"),
    ],
)
def test_a_fault_goes_before_decay_and_decay_before_drift(findings, verdict):
    assert verdict_on(findings) == verdict


def test_the_gravest_reasons_come_first_and_the_rest_is_counted():
    found = [finding("watch"), finding("alarm"), finding("retrain"), finding("alarm", fault=True)]
    assert [f.severity for f in by_gravity(found)] == ["alarm", "retrain", "alarm", "watch"]
    assert reasons(found, most=2) == ["alarm True", "retrain False", "And 2 more; the report lists them."]
