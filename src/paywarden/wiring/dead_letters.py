"""The dead-letter topic: read, and sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from paywarden.adapters.kafka.producer import KafkaEventProducer
from paywarden.adapters.kafka.source import KafkaSource
from paywarden.clock import system_clock
from paywarden.events.dead_letter import DeadLetter
from paywarden.jobs.dead_letters import Group, Redriven, Selection, find_letter, find_letters, group_letters, redrive
from paywarden.jobs.redrive_log import RedriveLog
from paywarden.settings import Settings
from paywarden.wiring.kafka_clients import kafka_connection


@dataclass(frozen=True)
class DeadLetterOffice:
    """What can be done about the dead letters of one topic."""

    topic: str
    source: KafkaSource
    sender: KafkaEventProducer
    log: RedriveLog

    def letters(self, selection: Selection) -> Iterator[DeadLetter]:
        """The selected letters."""
        return find_letters(self.source, self.topic, selection)

    def groups(self, selection: Selection) -> list[Group]:
        """Counts of the selected letters."""
        return group_letters(self.letters(selection), self.log)

    def letter(self, partition: int, offset: int) -> DeadLetter:
        """One letter."""
        return find_letter(self.source, self.topic, partition, offset)

    def redrive(
        self,
        selection: Selection,
        *,
        force: bool,
        dry_run: bool,
        stopped: Callable[[], bool],
        progress: Callable[[int], None],
    ) -> Redriven:
        """Send the selected letters to where they came from."""
        return redrive(
            self.source,
            self.sender,
            self.topic,
            self.log,
            selection,
            clock=system_clock,
            force=force,
            dry_run=dry_run,
            stopped=stopped,
            progress=progress,
        )


@contextmanager
def dead_letter_office(settings: Settings) -> Iterator[DeadLetterOffice]:
    """The dead letters of the topic that the settings name."""
    connection, topics = kafka_connection(settings.kafka), settings.kafka.topics
    source = KafkaSource(connection, headers=True)
    with KafkaEventProducer(connection) as sender:
        log = RedriveLog(source, sender, topics.dead_letters, topics.redriven)
        yield DeadLetterOffice(topics.dead_letters, source, sender, log)
