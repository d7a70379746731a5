"""The console in a real Chromium, over a real broker: from a live alert to the label on the topic."""

import json
import os
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import PASSWORD, WAIT_MS
from tests.browser.traffic import decisions
from tests.integration.alerts.decisions import AT, alert, message

from paywarden.adapters.kafka.producer import KafkaEventProducer
from paywarden.adapters.kafka.source import KafkaSource

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text()
SHOTS = os.environ.get("SCREENSHOTS")
"""A folder; where it is set, what is tested is photographed for the README."""
PAGES = ["/queue", "/cases/1", "/models", "/monitoring", "/stream"]

expect.set_options(timeout=WAIT_MS)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of SQLAlchemy


@pytest.fixture(scope="module")
def send(kafka):
    def send(topic, values):
        with KafkaEventProducer(kafka) as sink:
            sink.send_many(topic, [None] * len(values), values)

    return send


@pytest.fixture(scope="module")
def traffic(settings, send, work):
    everything, alerts = decisions()
    send(settings.kafka.topics.predictions, everything)
    send(settings.kafka.topics.alerts, alerts)
    return everything, alerts


@pytest.fixture(scope="module")
def page(chromium, address, traffic):
    """A page on which Ann has logged in; it tells of whatever the browser complains about."""
    opened = chromium.new_page()
    opened.complaints = []
    opened.on("console", lambda said: said.type in ("error", "warning") and opened.complaints.append(said.text))
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.goto(f"{address}/queue")
    expect(opened).to_have_url(re.compile("/login$"))
    photograph(opened, "console-login")
    log_in(opened, "ann")
    yield opened
    opened.close()


def log_in(page, name):
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()


@pytest.fixture(scope="module")
def monitored(parts):
    """What `paywarden monitor` found is where the console looks for it."""
    parts.monitor_path.write_text(Path(__file__).with_name("monitor_report.json").read_text())


def photograph(page, name):
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png")


def require_accessible(page):
    page.evaluate(AXE)
    found = page.evaluate("async () => (await axe.run()).violations")
    grave = [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found if v["impact"] in ("serious", "critical")]
    assert grave == []


def test_a_live_alert_is_judged_and_its_label_arrives(page, address, settings, kafka, send):
    """The alert appears without a reload; a key chooses the verdict, Enter sends it."""
    expect(page.locator("tr[data-case]").first).to_be_visible()
    page.evaluate("window.sameDocument = true")
    before = [message(f"before{n}", entity_card="card0000LIVE", occurred_at=AT - n * 40_000_000, amount_base=700 * n)
              for n in range(1, 15)]  # fmt: skip
    reasons = [{"code": "CARD_UNUSUAL_AMOUNT", "text": "38.2 times the usual amount of the card"},
               {"code": "CARD_VELOCITY", "text": "4 payments of the card in 1h"}]  # fmt: skip
    live = alert("live1", entity_card="card0000LIVE", amount_base=9_900_000, score=0.97, reasons=reasons)
    send(settings.kafka.topics.predictions, [*before, live])
    send(settings.kafka.topics.alerts, [live])
    row = page.locator("tr[data-case]", has_text="•••• LIVE")
    expect(row).to_be_visible()
    expect(row).to_contain_text("38.2 times the usual amount")
    assert page.evaluate("window.sameDocument"), "the page was loaded again"
    photograph(page, "console-queue")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Card •••• LIVE")).to_be_visible()
    expect(page.locator("[data-chart=timeline] canvas")).to_be_visible()
    expect(page.get_by_text("unusual").first).to_be_visible()
    expect(page.get_by_text("16,400,000 JPY")).to_be_visible()
    require_accessible(page)
    photograph(page, "console-case")
    page.keyboard.press("f")
    expect(page.get_by_role("button", name="Fraud")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("fraud, 1 label on the way")
    label = _label(KafkaSource(kafka), settings.kafka.topics.labels)
    assert label["transaction_id"] == "live1"
    assert (label["is_fraud"], label["source"], label["entities"]["card"]) == (True, "analyst", "card0000LIVE")
    assert page.complaints == []


def _label(source, topic):
    deadline = time.monotonic() + WAIT_MS / 1000
    while not (rows := source.read_all(topic)).num_rows:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (value,) = rows["value"].to_pylist()
    return json.loads(value)


def test_the_threshold_slider_shows_what_another_threshold_would_find(page, address):
    page.goto(f"{address}/models")
    shown = {name: page.locator(f"[data-out={name}]") for name in ("alerts_per_day", "recall", "words")}
    expect(page.get_by_text("From the test window: 20,000 payments")).to_be_visible()
    expect(shown["words"]).to_have_text("This is the threshold that serves, with 95 % intervals.")
    within = page.locator("[data-within=recall]")
    expect(within).to_have_text(re.compile(r"^[\d.]+ % to [\d.]+ %$"))
    served = [shown[name].inner_text() for name in ("alerts_per_day", "recall")]
    slider = page.get_by_label("Alerts a day", exact=True).first
    slider.focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    expect(shown["words"]).to_contain_text("alerts a day more than served")
    moved = [shown[name].inner_text() for name in ("alerts_per_day", "recall")]
    assert float(moved[0].replace(",", "")) > float(served[0].replace(",", ""))
    assert float(moved[1].split()[0]) >= float(served[1].split()[0])
    expect(within).to_be_empty()
    photograph(page, "console-models")
    page.get_by_role("button", name="Back to the served threshold").click()
    assert shown["alerts_per_day"].inner_text() == served[0]
    assert page.complaints == []


def test_the_monitoring_page_draws_weeks_scores_and_delays(page, address, monitored):
    page.goto(f"{address}/monitoring")
    for chart, count in {"weeks": 3, "tenths": 1, "delays": 1}.items():
        expect(page.locator(f"[data-chart={chart}] canvas")).to_have_count(count)
    expect(page.get_by_text("2.9 d before")).to_be_visible()
    expect(page.get_by_text("46 usual")).to_be_visible()
    row = page.get_by_role("row", name="Alerts that are fraud")
    expect(row).to_contain_text("81.1 % to 100.0 %")
    assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_fits_and_is_accessible_in_light_and_dark(page, address, monitored, path, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{address}{path}")
    require_well_shown(page, path.strip("/").replace("/", "-"), scheme)
    assert page.complaints == []


def require_well_shown(page, name, *schemes):
    """It fits, axe finds nothing grave, and it is photographed, by day and by night."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    for scheme in schemes or ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it is wider than 1280 px"
        require_accessible(page)
        photograph(page, f"console-{name}-{scheme}")
    page.emulate_media(color_scheme="light")


def test_keys_do_what_the_page_says_of_them(page, address):
    page.goto(f"{address}/queue")
    rows, chosen = page.locator("tr[data-case]"), page.locator("tr.chosen")
    first, second = (rows.nth(n).get_attribute("data-case") for n in (0, 1))
    for key, case in (("j", first), ("j", second), ("k", first), ("k", first)):
        page.keyboard.press(key)
        expect(chosen).to_have_attribute("data-case", case)
    page.keyboard.press("/")
    expect(page.get_by_label("Card ends in")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Card ends in")).not_to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/cases/({first}|{second})$"))
    for key, name in {"l": "Legitimate", "u": "Unsure", "a": "Take it"}.items():
        page.keyboard.press(key)
        expect(page.get_by_role("button", name=name)).to_be_focused()
    page.keyboard.press("n")
    page.keyboard.type("full moon")  # within a field, letters are text
    expect(page.get_by_label("Note", exact=True)).to_have_value("full moon")
    page.keyboard.press("Escape")
    expect(page.get_by_label("Note", exact=True)).not_to_be_focused()
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("/queue$"))
    assert page.complaints == []


def test_pages_that_an_analyst_seldom_sees_are_accessible_too(page, address, parts):
    """The last test: it logs Ann out."""
    parts.accounts.put("ada", PASSWORD, "admin")
    page.goto(f"{address}/people")
    expect(page.get_by_role("heading", level=1)).to_be_visible()  # it is not for her
    require_well_shown(page, "problem")
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(re.compile("/login$"))
    require_well_shown(page, "login")
    log_in(page, "ada")
    page.goto(f"{address}/people")
    expect(page.get_by_role("row", name="ada admin")).to_be_visible()
    require_well_shown(page, "people")
