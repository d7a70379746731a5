"""Producing for ever: history at once, then a rate, and a restart that leaves nothing out."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from paywarden.jobs.produce_forever import LONGEST_DELAY_DAYS, Position, first_day, produce_forever
from paywarden.simulation.arrivals import arrivals
from paywarden.simulation.world import World

WORLD = World(5, cards=40, fraud_rate=0.1)


@dataclass
class Recording:
    """A sink that keeps what was flushed, and dies after so many flushes."""

    dies_after: int | None = None
    sent: list[bytes] = field(default_factory=list)
    queued: list[bytes] = field(default_factory=list)
    flushes: int = 0

    def send_many(self, topic, keys, values):
        self.queued.extend(values)

    def flush(self):
        if self.flushes == self.dies_after:
            raise RuntimeError("gone")
        self.flushes += 1
        self.sent.extend(self.queued)
        self.queued.clear()


@dataclass
class Time:
    now: int = 0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += int(1000 * seconds)


def run(sink, position, *, days, history_days=2, rate=10.0, stopped=lambda: False, time=None, kept=None):
    """Everything up to a day, and the positions that were kept."""
    time, kept = time or Time(), [] if kept is None else kept
    for _ in produce_forever(
        arrivals(WORLD.days(first_day(position), days), drain=False),
        position,
        sink,
        ("transactions", "labels"),
        WORLD.schema,
        history_days=history_days,
        rate=rate,
        clock=time.clock,
        sleep=time.sleep,
        stopped=stopped,
        keep=kept.append,
    ):
        pass
    return kept


def events(days):
    return sum(day.transactions.num_rows + day.labels.num_rows for day in arrivals(WORLD.days(0, days), drain=False))


def test_history_takes_no_time_and_what_follows_has_the_rate():
    past, time = Recording(), Time()
    run(past, Position(), days=2, time=time)
    assert time.now == 0
    assert len(past.sent) == events(2)
    run(Recording(), Position(2), days=4, time=time)
    assert time.now / 1000 == pytest.approx((events(4) - events(2)) / 10, rel=0.05)


@pytest.mark.parametrize("flushes", [1, 5, 17])
def test_a_restart_goes_on_where_the_last_acknowledged_events_ended(flushes):
    whole = Recording()
    run(whole, Position(), days=5)
    first, kept = Recording(dies_after=flushes), []
    with pytest.raises(RuntimeError):
        run(first, Position(), days=5, kept=kept)
    second = Recording()
    run(second, kept[-1], days=5)
    assert first.sent + second.sent == whole.sent


def test_labels_of_payments_before_the_restart_still_arrive():
    whole, late = Recording(), Recording()
    run(whole, Position(), days=LONGEST_DELAY_DAYS + 12, history_days=1000)
    run(late, Position(LONGEST_DELAY_DAYS + 10), days=LONGEST_DELAY_DAYS + 12, history_days=1000)
    assert late.sent
    assert whole.sent[-len(late.sent) :] == late.sent


def test_it_ends_between_two_portions_when_told_to():
    sink, answers = Recording(), iter([False, False, False, True])
    kept = run(sink, Position(), days=5, stopped=lambda: next(answers))
    assert sink.flushes == 3
    assert kept[-1].day == 2
    assert kept[-1].events > 0


def test_a_position_survives_its_file():
    assert Position.from_json(Position(3, 70).to_json()) == Position(3, 70)
    with pytest.raises((ValueError, TypeError)):
        Position.from_json('{"hour": 1}')
