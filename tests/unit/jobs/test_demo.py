from contextlib import nullcontext

import pyarrow as pa
import pytest

from paywarden.cli import demo
from paywarden.jobs.demo import DemoSettings, DemoSource, _speed, run_demo
from paywarden.jobs.mapped import DAY_MS, DayOfFile
from paywarden.jobs.produce import Produced
from paywarden.simulation.world import World


def batch(rows, seconds, decisions=0, p50=None, p99=None):
    return {"rows": rows, "seconds": seconds, "decisions": decisions, "latency_p50_ms": p50, "latency_p99_ms": p99}


class TestSpeed:
    def test_throughput_is_over_the_largest_batches_and_latency_over_all(self):
        batches = [
            batch(10, 1.0, 10, 100.0, 400.0),
            batch(1000, 2.0, 990, 300.0, 900.0),
            batch(10, 1.0),
            batch(20, 1.0),
        ]
        speed = _speed(batches)
        assert (speed["batches"], speed["rows"]) == (4, 1040)
        assert speed["rows_per_second"] == pytest.approx(1040 / 5)
        assert speed["rows_per_second_largest_batches"] == pytest.approx(500)
        assert speed["latency_p50_ms"] == pytest.approx(298)
        assert speed["latency_p99_ms"] == 900.0

    def test_no_batch_has_no_speed(self):
        speed = _speed([])
        assert speed.pop("batches") == speed.pop("rows") == 0
        assert set(speed.values()) == {None}

    def test_batches_of_labels_alone_have_no_latency(self):
        speed = _speed([batch(5, 1.0), batch(7, 0.0)])
        assert speed["latency_p50_ms"] is None
        assert speed["rows_per_second"] == 12


class Platform:
    """Writes down what is asked of it; fails where told."""

    catalogue = None

    def __init__(self, fails_at=None):
        self.asked, self.fails_at = [], fails_at

    def __getattr__(self, name):
        def ask(*arguments):
            self.asked.append((name, *arguments))
            if name == self.fails_at:
                raise RuntimeError(name)
            return {"produce": Produced(7, 2), "disturb": 3}.get(name)

        return ask


class View:
    def __init__(self):
        self.steps = []

    def step(self, text):
        self.steps.append(text)

    def progress(self, done):
        pass

    def live(self, platform):
        return nullcontext()


def test_the_stream_is_awaited_for_all_that_was_sent_and_stops_before_the_account():
    platform, view = Platform(fails_at="served"), View()
    source = DemoSource("test", ["history"], ["live"], pa.table({}), 7.0, 30)
    with pytest.raises(RuntimeError, match="served"):
        run_demo(platform, source, DemoSettings(rate=50.0, patience_seconds=9.0), view)
    names = [asked[0] for asked in platform.asked]
    assert names == [
        *("start", "produce", "archive", "train", "build_state", "start_stream", "produce", "disturb"),
        *("await_stream", "stop_stream", "take_alerts", "archive", "served"),
    ]
    assert platform.asked[1][1:3] == (["history"], None)  # history as fast as it goes
    assert platform.asked[6][1:3] == (["live"], 50.0)
    assert ("await_stream", 7 + 2 + 3, 9.0) in platform.asked
    assert ("train", 7.0, 30) in platform.asked
    assert len(view.steps) == 9


def events(days):
    """One transaction an hour, of which every tenth is a fraud that is known a day later."""
    count = 24 * days
    at = [hour * DAY_MS // 24 for hour in range(count)]
    ids = [f"t{hour}" for hour in range(count)]
    frauds = range(0, count, 10)
    transactions = pa.table({"transaction_id": ids, "received_at": pa.array(at)})
    labels = pa.table(
        {
            "transaction_id": [ids[row] for row in frauds],
            "received_at": pa.array([at[row] + DAY_MS for row in frauds]),
            "is_fraud": [row != 20 for row in frauds],
            "pattern": ["stolen" if row % 20 else None for row in frauds],
        }
    )
    return transactions, labels


class Mapped:
    def __init__(self, days):
        self.transactions, self.labels = events(days)


def test_the_last_days_of_a_file_are_live_and_the_rest_history():
    source = demo._file(Mapped(10), "file", 3)
    history, live = list(source.history), list(source.live)
    assert (len(history), len(live)) == (7, 3)
    assert [sum(len(day.transactions) for day in part) for part in (history, live)] == [7 * 24, 3 * 24]
    assert max(day.transactions["received_at"].to_pylist()[-1] for day in history) < 7 * DAY_MS
    labels = sum(len(day.labels) for part in (history, live) for day in part)
    assert labels == len([at for at in Mapped(10).labels["received_at"].to_pylist() if at < 10 * DAY_MS])


def test_the_truth_of_a_file_is_its_fraud_labels():
    truth = demo._file(Mapped(10), "file", 3).truth
    assert truth["transaction_id"].to_pylist() == [f"t{hour}" for hour in range(240)]
    frauds = [row for row, fraud in enumerate(truth["is_fraud"].to_pylist()) if fraud]
    assert frauds == [row for row in range(0, 240, 10) if row != 20]
    assert {row: truth["pattern"][row].as_py() for row in (0, 1, 10, 30)} == {
        0: None,
        1: None,
        10: "stolen",
        30: "stolen",
    }


def test_a_simulated_world_has_live_days_after_its_history_and_the_truth_of_what_is_live(monkeypatch):
    monkeypatch.setattr(demo, "World", lambda seed, cards, merchants: World(seed, cards=40, merchants=60))
    source = demo._world(2, history_days=3)
    history, live = list(source.history), list(source.live)
    assert (len(history), len(live)) == (3, 2)
    ids = {name for day in live for name in day.transactions["transaction_id"].to_pylist()}
    assert ids <= set(source.truth["transaction_id"].to_pylist())
    assert source.label_delay_days > 0


def test_days_on_which_nothing_arrives_are_left_out():
    table = pa.table({"a": [1]})
    days = [
        DayOfFile(table.slice(1), table.slice(1)),
        DayOfFile(table, table.slice(1)),
        DayOfFile(table.slice(1), table),
    ]
    assert demo._not_empty(days) == days[1:]
