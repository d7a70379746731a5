"""Re-driving dead letters over topics in memory: once each, wherever it is cut off. A real broker is in integration."""

from __future__ import annotations

from collections import defaultdict

import pyarrow as pa
import pytest

from paywarden.adapters.kafka.consumer import RECORD_SCHEMA_WITH_HEADERS
from paywarden.errors import KafkaError
from paywarden.events.dead_letter import REDRIVEN_HEADER, dead_letter_headers
from paywarden.jobs import dead_letters as job
from paywarden.jobs.dead_letters import Selection, find_letters, group_letters, redrive
from paywarden.jobs.redrive_log import RedriveLog

NOW = 1_700_000_000_000
DEAD, LOG, ORIGIN = "dead", "log", "transactions"


class Topics:
    """Topics of one partition each. Fails at the flush whose number is ``cut``, having delivered ``arrive`` records."""

    def __init__(self):
        self.records = defaultdict(list)
        self.flushes, self.cut, self.arrive, self.queue = 0, None, 0, []

    def earliest_offsets(self, topics):
        return {topic: {0: 0} for topic in topics}

    def end_offsets(self, topics):
        return {topic: {0: len(self.records[topic])} for topic in topics}

    def read(self, start, end):
        for topic, ends in end.items():
            rows = [
                (topic, 0, offset, NOW + offset, key, value, [{"key": k, "value": v} for k, v in headers])
                for offset, (key, value, headers) in enumerate(self.records[topic])
                if start[topic][0] <= offset < ends[0]
            ]
            columns = list(zip(*rows, strict=True)) or [[]] * 7
            yield pa.table(dict(zip(RECORD_SCHEMA_WITH_HEADERS.names, map(list, columns), strict=True)))

    def send_many(self, topic, keys, values, timestamps_ms=None, headers=None):
        self.queue += [(topic, row) for row in zip(keys, values, headers or [[]] * len(values), strict=True)]

    def flush(self):
        self.flushes += 1
        kept = self.queue[: self.arrive] if self.flushes == self.cut else self.queue
        for topic, row in kept:
            self.records[topic].append(row)
        self.queue = []
        if self.flushes == self.cut:
            raise KafkaError("the broker is gone")


@pytest.fixture
def topics(monkeypatch):
    monkeypatch.setattr(job, "_PARCEL", 3)
    found = Topics()
    reasons = ["malformed_json"] * 5 + ["card_number"] * 2
    headers = dead_letter_headers([ORIGIN] * 7, [0] * 7, range(7), reasons, ["why"] * 7)
    found.send_many(DEAD, [b"k%d" % n for n in range(7)], [b"%d" % n for n in range(7)], headers=headers)
    found.send_many(DEAD, [None], [b"somebody else's"])
    found.flush()
    return found


def run(topics, selection=None, **how):
    log = RedriveLog(topics, topics, DEAD, LOG)
    return redrive(topics, topics, DEAD, log, selection or Selection(), clock=lambda: NOW, **how)


def arrived(topics):
    return [value for _, value, _ in topics.records[ORIGIN]]


ALL = [b"%d" % n for n in range(7)]


def test_each_goes_once_with_key_bytes_and_header(topics):
    done = run(topics)
    assert (done.selected, done.sent, done.already, done.foreign, done.finished) == (8, 7, 0, 1, True)
    assert arrived(topics) == ALL
    key, value, headers = topics.records[ORIGIN][2]
    assert (key, value, dict(headers)[REDRIVEN_HEADER]) == (b"k2", b"2", b"dead/0/2")
    assert run(topics).already == 7
    assert arrived(topics) == ALL
    assert run(topics, force=True).sent == 7
    assert arrived(topics) == ALL * 2


@pytest.mark.parametrize("cut", range(2, 11))
@pytest.mark.parametrize("arrive", [0, 1, 2, 3])
def test_cut_off_anywhere_the_next_run_sends_the_rest_and_nothing_twice(topics, cut, arrive):
    # A flush of a parcel is an announcement, the letters, or the notes; any part of it may have arrived.
    topics.cut, topics.arrive = cut, arrive
    with pytest.raises(KafkaError):
        run(topics)
    run(topics)
    assert arrived(topics) == ALL


def test_selections(topics):
    def values(**how):
        return [letter.value for letter in find_letters(topics, DEAD, Selection(**how))]

    assert values(reasons=frozenset({"card_number"})) == [b"5", b"6"]
    assert values(since=NOW + 6) == [b"6", b"somebody else's"]
    assert values(until=NOW + 1) == [b"0"]
    assert values(places=frozenset({(0, 3)})) == [b"3"]
    assert values(topic=ORIGIN, partition=0) == ALL
    assert values(topic="labels") == []


def test_a_dry_run_sends_nothing_and_stopping_waits_for_the_parcel(topics):
    assert run(topics, dry_run=True).sent == 7
    assert arrived(topics) == []
    assert LOG not in topics.records or topics.records[LOG] == []
    answers = iter([False, True])
    done = run(topics, stopped=lambda: next(answers))
    assert (done.sent, done.finished) == (3, False)
    assert arrived(topics) == ALL[:3]
    assert run(topics).sent == 4


def test_counts_by_reason_say_what_was_sent_again(topics):
    run(topics, Selection(reasons=frozenset({"card_number"})))
    groups = group_letters(find_letters(topics, DEAD, Selection()), RedriveLog(topics, topics, DEAD, LOG))
    assert [(g.reason, g.topic, g.count, g.redriven) for g in groups] == [
        ("malformed_json", ORIGIN, 5, 0),
        ("card_number", ORIGIN, 2, 2),
        ("unknown", "?", 1, 0),
    ]
    assert (groups[0].first_at, groups[0].last_at) == (NOW, NOW + 4)
