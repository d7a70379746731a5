"""Dead letters on a real broker: found, shown, and sent again once, whatever happens in between."""

from __future__ import annotations

import itertools
import json
import os

import pytest
from typer.testing import CliRunner

from paywarden import wiring
from paywarden.adapters.kafka.source import KafkaSource
from paywarden.cli.app import app
from paywarden.errors import DataError
from paywarden.events.dead_letter import REDRIVEN_AT_HEADER, REDRIVEN_HEADER, dead_letter_headers
from paywarden.jobs import dead_letters as job
from paywarden.jobs.dead_letters import Selection, find_letter, find_letters, redrive
from paywarden.jobs.redrive_log import RedriveLog
from paywarden.settings import TopicNames, load_settings

NOW = 1_700_000_000_000
PAN = b"4111111111111111"
_NUMBERS = itertools.count(1)


class Desk:
    """Topics of its own with dead letters in them."""

    def __init__(self, settings):
        wiring.make_topics(settings)
        self.settings, self.topics = settings, settings.kafka.topics
        self.source = KafkaSource(wiring.kafka(settings), headers=True)
        self.sender = wiring.kafka_sink(settings)

    def refuse(self, values, reason="malformed_json", keys=None):
        """Put letters on the dead-letter topic, as the stream does."""
        count = len(values)
        headers = dead_letter_headers(
            [self.topics.transactions] * count, [0] * count, range(count), [reason] * count, ["why"] * count
        )
        self.sender.send_many(self.topics.dead_letters, keys or [b"key"] * count, values, headers=headers)
        self.sender.flush()

    def log(self):
        return RedriveLog(self.source, self.sender, self.topics.dead_letters, self.topics.redriven)

    def redrive(self, selection=None, **how):
        chosen, topic = selection or Selection(), self.topics.dead_letters
        return redrive(self.source, self.sender, topic, self.log(), chosen, clock=lambda: NOW, **how)

    def letters(self):
        return list(find_letters(self.source, self.topics.dead_letters, Selection()))

    def arrived(self):
        """What lies in the original topic: key, value, headers."""
        rows = self.source.read_all(self.topics.transactions).to_pylist()
        return [(r["key"], r["value"], {h["key"]: h["value"] for h in r["headers"] or []}) for r in rows]


@pytest.fixture
def desk(kafka, monkeypatch):
    stem = f"dlq.{os.getpid()}.{next(_NUMBERS)}"
    names = {role: f"{stem}.{role}" for role in TopicNames.model_fields}
    section = {"bootstrap_servers": kafka.bootstrap_servers, "partitions": 1, "topics": names}
    for name, value in section.items():  # for the command
        monkeypatch.setenv(f"PAYWARDEN_KAFKA__{name.upper()}", value if isinstance(value, str) else json.dumps(value))
    return Desk(load_settings(kafka=section))


def test_a_letter_goes_back_with_its_key_and_bytes_and_says_where_it_comes_from(desk):
    values = [b"{", b"\xff\x00", None]
    desk.refuse(values, keys=[b"card", None, b"gone"])
    assert (desk.redrive().sent, desk.redrive().already) == (3, 3)
    arrived = desk.arrived()
    assert [(key, value) for key, value, _ in arrived] == [(b"card", b"{"), (None, b"\xff\x00"), (b"gone", None)]
    for offset, (_, _, headers) in enumerate(arrived):
        assert headers[REDRIVEN_HEADER] == f"{desk.topics.dead_letters}/0/{offset}".encode()
        assert headers[REDRIVEN_AT_HEADER] == str(NOW).encode()
    assert desk.redrive(force=True).sent == 3
    assert len(desk.arrived()) == 6


def test_only_what_is_selected_goes(desk):
    desk.refuse([b"a", b"b"], "malformed_json")
    desk.refuse([b"c"], "card_number")
    desk.sender.send_many(desk.topics.dead_letters, [None], [b"somebody else's"])
    desk.sender.flush()
    first = desk.letters()[0]
    assert desk.redrive(Selection(reasons=frozenset({"card_number"})), dry_run=True).sent == 1
    assert desk.arrived() == []
    assert desk.redrive(Selection(reasons=frozenset({"card_number"}))).sent == 1
    assert desk.redrive(Selection(places=frozenset({(0, 1)}))).sent == 1
    assert desk.redrive(Selection(until=first.refused_at)).selected == 0
    assert desk.redrive(Selection(topic="another")).selected == 0
    done = desk.redrive()
    assert (done.selected, done.sent, done.already, done.foreign) == (4, 1, 2, 1)
    assert sorted(value for _, value, _ in desk.arrived()) == [b"a", b"b", b"c"]


def test_a_crash_between_sending_and_noting_sends_nothing_twice(desk):
    desk.refuse([b"a", b"b", b"c"])
    letters, log = desk.letters(), desk.log()
    log.announce(letters)
    # Two of the three arrive, and the process dies.
    sent = letters[:2]
    desk.sender.send_many(
        desk.topics.transactions,
        [letter.key for letter in sent],
        [letter.value for letter in sent],
        headers=[letter.redriven_headers(NOW) for letter in sent],
    )
    desk.sender.flush()
    done = desk.redrive()
    assert (done.sent, done.already) == (1, 2)
    assert [value for _, value, _ in desk.arrived()] == [b"a", b"b", b"c"]


def test_an_interruption_waits_for_the_parcel_and_the_next_run_goes_on(desk, monkeypatch):
    monkeypatch.setattr(job, "_PARCEL", 2)
    desk.refuse([b"%d" % n for n in range(7)])
    answers = iter([False, True])
    first = desk.redrive(stopped=lambda: next(answers))
    assert (first.sent, first.finished) == (2, False)
    seen = []
    rest = desk.redrive(progress=seen.append)
    assert (rest.sent, rest.already, rest.finished) == (5, 2, True)
    assert seen[-1] == 7
    assert sorted(value for _, value, _ in desk.arrived()) == [b"%d" % n for n in range(7)]


def test_a_letter_that_is_not_there_is_told(desk):
    desk.refuse([b"a"])
    assert find_letter(desk.source, desk.topics.dead_letters, 0, 0).value == b"a"
    with pytest.raises(DataError, match="no dead letter 0:5; partition 0 holds offsets 0 to 0"):
        find_letter(desk.source, desk.topics.dead_letters, 0, 5)


def run(*arguments):
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["dlq", *arguments])


def test_the_commands_list_show_and_redrive(desk):
    desk.refuse([b'{"card_id": "%s"' % PAN, b"{"])
    desk.refuse([b""], "empty")
    groups = json.loads(run("list", "--json").stdout)["groups"]
    assert [(g["reason"], g["partition"], g["count"], g["redriven"]) for g in groups] == [
        ("malformed_json", 0, 2, 0),
        ("empty", 0, 1, 0),
    ]
    masked, raw = run("show", "0:0").stdout, run("show", "0:0", "--raw").stdout
    assert PAN.decode() not in masked
    assert '{"card_id": "****************"' in masked
    assert PAN.decode() in raw
    assert run("redrive").exit_code == 2  # which letters?
    assert run("redrive", "--letter", "zero").exit_code == 2
    assert "1 selected, 1 would be sent again" in run("redrive", "--reason", "empty", "--dry-run").stdout
    assert "3 selected, 3 sent again" in run("redrive", "--all").stdout
    assert "3 were sent again before" in run("redrive", "--all").stdout
    listed = run("list", "--each", "5").stdout
    assert "0:2" in listed
    assert "re-driven" in listed
    assert PAN.decode() not in listed
