"""Dead letters: what was refused and why, and sending it again once the reason is gone.

A re-driven record goes to the topic it came from, with its key and its bytes, and headers that say where it comes from
and when it was sent. Guarantee: each letter once, also over crashes and restarts (:mod:`paywarden.jobs.redrive_log`),
unless it is asked for by force. One re-drive of a topic at a time: two at once may send a letter twice, which the
stream then records as a duplicate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from paywarden.clock import Clock
from paywarden.errors import DataError
from paywarden.events.dead_letter import DeadLetter, read_dead_letters
from paywarden.jobs.archive import Source
from paywarden.jobs.redrive_log import RedriveLog, Sender

_PARCEL = 500
"""Letters announced together. A crash costs reading back what arrived since, an interruption waits for so many."""


@dataclass(frozen=True)
class Selection:
    """Which dead letters are meant; what is None or empty selects all. Times are epoch ms, ``until`` is exclusive."""

    reasons: frozenset[str] = frozenset()
    topic: str | None = None
    partition: int | None = None
    since: int | None = None
    until: int | None = None
    places: frozenset[tuple[int, int]] = frozenset()

    def __contains__(self, letter: DeadLetter) -> bool:
        """Whether this letter is meant."""
        topic, partition = letter.origin[:2] if letter.origin else (None, None)
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (self.topic is None or topic == self.topic)
            and (self.partition is None or partition == self.partition)
            and (self.since is None or letter.refused_at >= self.since)
            and (self.until is None or letter.refused_at < self.until)
            and (not self.places or (letter.partition, letter.offset) in self.places)
        )


@dataclass
class Group:
    """Letters of one reason that came from one partition; times are epoch ms."""

    reason: str
    topic: str
    partition: int | None
    count: int = 0
    redriven: int = 0
    first_at: int = 0
    last_at: int = 0

    def add(self, letter: DeadLetter, *, redriven: bool) -> None:
        """One more."""
        self.first_at = min(self.first_at, letter.refused_at) if self.count else letter.refused_at
        self.last_at = max(self.last_at, letter.refused_at)
        self.count += 1
        self.redriven += redriven


@dataclass(frozen=True)
class Redriven:
    """What a re-drive did with the letters ``selected``; ``finished`` is false where it was told to stop.

    Of these some were ``sent``, some ``already`` sent before; ``foreign`` ones name no topic they came from.
    """

    selected: int
    sent: int
    already: int
    foreign: int
    finished: bool


def find_letters(source: Source, topic: str, selection: Selection) -> Iterator[DeadLetter]:
    """The selected letters that the topic holds now, partition by partition in the order of their offsets."""
    for table in source.read(source.earliest_offsets([topic]), source.end_offsets([topic])):
        yield from (letter for letter in read_dead_letters(table) if letter in selection)


def find_letter(source: Source, topic: str, partition: int, offset: int) -> DeadLetter:
    """The letter at this offset. Raises DataError where there is none, or no longer."""
    earliest, ends = source.earliest_offsets([topic]), source.end_offsets([topic])
    first, end = earliest[topic].get(partition, 0), ends[topic].get(partition, 0)
    if not first <= offset < end:
        raise DataError(
            f"{topic} has no dead letter {partition}:{offset}; partition {partition} holds offsets {first} to {end - 1}"
            if end > first
            else f"{topic} has no dead letter {partition}:{offset}; its partition {partition} holds none"
        )
    only = {n: (offset, offset + 1) if n == partition else (last, last) for n, last in ends[topic].items()}
    start, stop = ({topic: {n: span[i] for n, span in only.items()}} for i in (0, 1))
    for table in source.read(start, stop):
        for letter in read_dead_letters(table):
            return letter
    raise DataError(f"{topic} has no dead letter {partition}:{offset}: it was removed by compaction or a transaction")


def group_letters(letters: Iterator[DeadLetter], log: RedriveLog) -> list[Group]:
    """Counts by reason and origin, the most frequent first."""
    groups: dict[tuple[str, str, int | None], Group] = {}
    for letter in letters:
        topic, partition = letter.origin[:2] if letter.origin else ("?", None)
        key = (letter.reason, topic, partition)
        groups.setdefault(key, Group(*key)).add(letter, redriven=letter in log)
    return sorted(groups.values(), key=lambda group: -group.count)


def redrive(
    source: Source,
    sender: Sender,
    topic: str,
    log: RedriveLog,
    selection: Selection,
    *,
    clock: Clock,
    force: bool = False,
    dry_run: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda _count: None,
) -> Redriven:
    """Send the selected letters to where they came from; what has been sent before only by ``force``.

    ``stopped`` is asked between parcels, and what is under way is finished first; ``progress`` hears how many letters
    were looked at. Run it again after any failure: it goes on where it was. ``dry_run`` sends nothing.
    """
    if not dry_run:
        log.settle()
    count: Counter[str] = Counter()
    parcel: list[DeadLetter] = []
    for letter in find_letters(source, topic, selection):
        count["selected"] += 1
        if kind := _left_out(letter, log, force=force):
            count[kind] += 1
        else:
            parcel.append(letter)
        if len(parcel) == _PARCEL:
            if stopped():
                return _redriven(count, finished=False)
            count["sent"] += _send(parcel, sender, log, clock, dry_run=dry_run)
            parcel = []
        progress(count["selected"])
    if stopped():
        return _redriven(count, finished=False)
    count["sent"] += _send(parcel, sender, log, clock, dry_run=dry_run)
    return _redriven(count, finished=True)


def _left_out(letter: DeadLetter, log: RedriveLog, *, force: bool) -> str | None:
    if letter.origin is None:
        return "foreign"
    return "already" if letter in log and not force else None


def _send(parcel: list[DeadLetter], sender: Sender, log: RedriveLog, clock: Clock, *, dry_run: bool) -> int:
    if parcel and not dry_run:
        log.announce(parcel)
        now = clock()
        for topic in sorted({letter.origin[0] for letter in parcel if letter.origin}):
            letters = [letter for letter in parcel if letter.origin and letter.origin[0] == topic]
            keys, values = [letter.key for letter in letters], [letter.value for letter in letters]
            sender.send_many(topic, keys, values, headers=[letter.redriven_headers(now) for letter in letters])
        sender.flush()
        log.note(parcel)
    return len(parcel)


def _redriven(count: Counter[str], *, finished: bool) -> Redriven:
    return Redriven(count["selected"], count["sent"], count["already"], count["foreign"], finished)
