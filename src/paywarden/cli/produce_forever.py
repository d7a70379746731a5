"""`paywarden produce --forever`: a world that goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from paywarden import wiring
from paywarden.cli.console import log
from paywarden.cli.service import figures, heartbeat, stop_on_signals
from paywarden.clock import system_clock
from paywarden.errors import ConfigurationError
from paywarden.jobs.produce_forever import Position, first_day, produce_forever
from paywarden.settings import Settings
from paywarden.simulation.arrivals import arrivals
from paywarden.simulation.tokens import MOST_DAYS
from paywarden.simulation.world import World

if TYPE_CHECKING:
    from paywarden.service.metrics.producer import ProducerMetrics

_TELL_EVERY_MS = 60_000


def run(
    settings: Settings, world: World, days: int, rate: float, position_file: Path | None, beat: Path | None
) -> None:
    """Send the first days at once and the later ones at a rate, until SIGTERM or Ctrl-C; a line a minute says so."""
    # Not above: it reads its environment when imported, which `paywarden serve` sets for its workers first.
    from paywarden.service.metrics.producer import ProducerMetrics  # noqa: PLC0415

    with figures(settings, "producer", ProducerMetrics) as metrics:
        _send(settings, world, days, rate, position_file, heartbeat(beat), metrics)


def _send(
    settings: Settings,
    world: World,
    days: int,
    rate: float,
    position_file: Path | None,
    alive: Callable[[], None],
    metrics: ProducerMetrics,
) -> None:
    stop = stop_on_signals()
    position = _kept(position_file)
    topics = settings.kafka.topics
    wiring.make_topics(settings)
    log.say(f"from day {position.day}, event {position.events:,} on", day=position.day, events=position.events)

    def keep(reached: Position) -> None:
        if position_file is not None:
            wiring.write_durably(position_file, reached.to_json())
        metrics.day.set(reached.day)
        alive()

    transactions = labels = 0

    def acknowledged() -> str:
        return f"{transactions:,} transactions, {labels:,} labels"

    told_at = system_clock()
    with wiring.kafka_sink(settings) as sink:
        for sent in produce_forever(
            arrivals(world.days(first_day(position), MOST_DAYS)),
            position,
            metrics.timed(sink),
            (topics.transactions, topics.labels),
            world.schema,
            history_days=days,
            rate=rate,
            clock=system_clock,
            sleep=stop.wait,
            stopped=stop.is_set,
            keep=keep,
        ):
            metrics.sent(sent)
            transactions, labels = transactions + sent.transactions, labels + sent.labels
            if system_clock() - told_at >= _TELL_EVERY_MS:
                told_at = system_clock()
                log.say(f"acknowledged: {acknowledged()}", transactions=transactions, labels=labels)
    log.say(f"stopped; acknowledged: {acknowledged()}", transactions=transactions, labels=labels)


def _kept(file: Path | None) -> Position:
    if file is None or not file.exists():
        return Position()
    try:
        return Position.from_json(file.read_text())
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{file} holds no position ({error}); remove it to begin at day 0") from error
