"""Ten quiet weeks stop no training; each known fault does, and says what it is."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from paywarden.errors import DataError
from paywarden.jobs.archive import REJECT_COLUMNS
from paywarden.jobs.check_data import check_data
from paywarden.monitoring.arrivals import ArrivalSettings
from paywarden.simulation.world import World

DAY = 86_400_000
DELAY = 14 * DAY
TRANSACTIONS, LABELS = "transactions", "labels"
WORLD = World(5, cards=300, merchants=120)
START = WORLD.start_at_ms
TRAINED = 70
"""Days that the last training, whose model serves, knew of."""
CHAMPION = {
    "as_of": START + TRAINED * DAY,
    "split": {"train": [START, START + 40 * DAY], "test": [START + 49 * DAY, START + 56 * DAY]},
}


class Lake:
    """Tables in memory."""

    def __init__(self, **tables):
        self.tables = tables

    def exists(self, topic):
        return topic in self.tables

    def read(self, topic):
        return self.tables[topic]


def archived(table, rejects=0, at=0):
    """As the lake holds it: with the Kafka time, and refused messages beside the valid rows."""
    count = table.num_rows
    table = table.append_column("timestamp", table["received_at"])
    for name in REJECT_COLUMNS:
        table = table.append_column(name, pa.nulls(count, pa.string()))
    refused = {name: pa.nulls(rejects, table.schema.field(name).type) for name in table.column_names}
    refused |= {"timestamp": pa.array([at] * rejects, pa.int64()), "reject_reason": pa.array(["no_amount"] * rejects)}
    return pa.concat_tables([table, pa.table(refused, schema=table.schema)])


@pytest.fixture(scope="module")
def events():
    days = list(WORLD.days(0, 140))
    return tuple(pa.concat_tables([getattr(day, name) for day in days]) for name in (TRANSACTIONS, LABELS))


def known(table, as_of):
    return table.filter(pc.less(table["received_at"], as_of))


def check(transactions, labels, *, as_of, trained=TRAINED, rejects=0, **others):
    at = START + as_of * DAY
    lake = Lake(transactions=archived(known(transactions, at), rejects, at - 1), labels=archived(known(labels, at)))
    last = None if trained is None else {"as_of": START + trained * DAY}
    champion = None if trained is None else CHAMPION
    return check_data(lake, TRANSACTIONS, LABELS, last, champion, ArrivalSettings(), label_delay_ms=DELAY, **others)


def changed(table, column, change, since):
    """The table with a column changed from a day on; `change` gets the values (a numpy array) of these rows."""
    values = table[column].to_numpy(zero_copy_only=False).copy()
    late = table["occurred_at"].to_numpy() >= START + since * DAY
    values[late] = change(values[late])
    place, kind = table.column_names.index(column), table.schema.field(column).type
    return table.set_column(place, column, pa.array(values, kind, from_pandas=True))


def kinds(found):
    return {(finding.kind, finding.subject) for finding in found.findings}


@pytest.mark.parametrize("week", range(10))
def test_quiet_weeks_are_fine(events, week):
    found = check(*events, as_of=TRAINED + 7 * week + 7, trained=TRAINED + 7 * week)
    assert found.verdict == "fine", found.to_dict()["reasons"]
    assert found.figures["transactions"] > 2000
    assert len(found.figures["volume"]["by_day"]) == 6  # the newest arrival comes before the seventh has ended
    assert found.figures["fraud_rate"]["rows"] > 1000
    assert {drift["column"] for drift in found.figures["fields"]} > {"amount_base", "category", "entity_card"}


def test_the_first_run_works_without_any_model(events):
    found = check(*events, as_of=60, trained=None)
    assert (found.verdict, found.since) == ("fine", found.as_of - 7 * DAY)
    first_day = check(*events, as_of=1, trained=None)
    assert (first_day.verdict, first_day.figures["volume"]["usual"]) == ("fine", None)


def test_nothing_new_stops(events):
    found = check(*events, as_of=TRAINED - 1)
    assert found.verdict == "stop"
    assert "No transaction has arrived" in found.to_dict()["reasons"][0]


def test_a_day_with_a_quarter_of_the_usual_stops_and_is_named(events):
    transactions, labels = events
    at = transactions["received_at"].to_numpy() // DAY * DAY == START + 74 * DAY
    kept = ~at | (np.arange(len(at)) % 4 == 0)
    found = check(transactions.filter(pa.array(kept)), labels, as_of=77)
    assert kinds(found) == {("volume", str(np.datetime64(START + 74 * DAY, "ms").astype("datetime64[D]")))}


def test_refused_messages_stop_with_their_reason(events):
    found = check(*events, as_of=77, rejects=600)
    assert kinds(found) == {("rejected", "transactions")}
    assert found.figures["rejected"]["reasons"] == {"no_amount": 600}
    assert "no_amount" in found.findings[0].sentence
    assert check(*events, as_of=77, rejects=20).verdict == "fine"


def test_a_field_that_stopped_coming_stops(events):
    transactions, labels = events
    blank = changed(transactions, "country", lambda v: np.where(np.arange(len(v)) % 3 == 0, None, v), 73)
    assert kinds(check(blank, labels, as_of=77)) == {("missing values", "country")}
    anonymous = changed(transactions, "entity_merchant", lambda v: np.where(np.arange(len(v)) % 3 == 0, None, v), 73)
    assert kinds(check(anonymous, labels, as_of=77)) == {("missing values", "entity_merchant")}


def test_amounts_in_another_unit_stop_and_some_inflation_does_not(events):
    transactions, labels = events
    cents = changed(transactions, "amount_base", lambda v: v * 100, 76)
    assert ("drift", "amount_base") in kinds(check(cents, labels, as_of=77))
    dearer = changed(transactions, "amount_base", lambda v: v * 11 // 10, 70)
    assert check(dearer, labels, as_of=77).verdict == "fine"


def test_a_new_category_does_not_stop_a_training_that_will_learn_it(events):
    transactions, labels = events
    new = changed(transactions, "category", lambda v: np.where(np.arange(len(v)) % 20 == 0, "moon", v), 73)
    found = check(new, labels, as_of=77)
    assert found.verdict == "fine"
    assert max(drift["new"] for drift in found.figures["fields"] if drift["column"] == "category") > 0.04


def test_labels_that_stopped_coming_stop(events):
    transactions, labels = events
    silent = labels.filter(pc.less(labels["received_at"], START + 73 * DAY))
    found = check(transactions, silent, as_of=77)
    assert ("label flow", "labels") in kinds(found)


def test_a_wave_of_fraud_labels_stops(events):
    transactions, labels = events
    ids = transactions.filter(
        pc.and_(
            pc.greater(transactions["occurred_at"], START + 57 * DAY),
            pc.less(transactions["occurred_at"], START + 63 * DAY),
        )
    ).slice(0, 1200)
    wave = pa.table({name: ids[name] for name in labels.column_names if name in ids.column_names})
    for name, values in {
        "labelled_at": pc.add(ids["occurred_at"], DAY),
        "received_at": pc.add(ids["occurred_at"], DAY),
        "is_fraud": pa.array([True] * len(ids)),
        "source": pa.array(["analyst"] * len(ids)),
        "pattern": pa.nulls(len(ids), pa.string()),
    }.items():
        wave = wave.drop_columns([name] if name in wave.column_names else []).append_column(name, values)
    found = check(transactions, pa.concat_tables([labels, wave.select(labels.column_names)]), as_of=77)
    assert ("fraud rate", "labels") in kinds(found)


def test_a_moment_before_the_last_training_is_looked_at_as_if_there_were_none(events):
    """As a backfill does."""
    moment = START + (TRAINED - 10) * DAY
    lake = Lake(transactions=archived(events[0]), labels=archived(events[1]))
    last = {"as_of": START + TRAINED * DAY}
    found, without = (
        check_data(lake, TRANSACTIONS, LABELS, *known, ArrivalSettings(), label_delay_ms=DELAY, as_of=moment).to_dict()
        for known in ((last, CHAMPION), (None, None))
    )
    assert found == without
    assert (found["verdict"], found["since"]) == ("fine", moment - 7 * DAY)


def test_a_verdict_of_today_on_history_that_is_played_changes_nothing(events):
    transactions, labels = (known(table, START + 77 * DAY) for table in events)
    today = labels.set_column(
        labels.column_names.index("received_at"), "received_at", pa.array([START + 400 * DAY] * len(labels))
    )
    lake = Lake(transactions=archived(transactions), labels=archived(pa.concat_tables([labels, today.slice(0, 1)])))
    last = {"as_of": START + TRAINED * DAY}
    found = check_data(lake, TRANSACTIONS, LABELS, last, CHAMPION, ArrivalSettings(), label_delay_ms=DELAY)
    assert found.as_of == pc.max(transactions["received_at"]).as_py()
    assert found.verdict == "fine"


def test_an_empty_lake_says_what_to_run(events):
    with pytest.raises(DataError, match="paywarden archive"):
        check(events[0].slice(0, 0), events[1], as_of=10)
