"""A mapping for a file, proposed from the columns it has: YAML to be edited, with what was guessed and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paywarden.errors import DataError
from paywarden.events.data_files import first_rows, read_columns
from paywarden.events.guessing import entities, extras, fields
from paywarden.events.guessing.guess import Guess, one_line, scalar
from paywarden.events.guessing.listed import guess_listed
from paywarden.events.guessing.profile import Column
from paywarden.events.guessing.times import guess_time
from paywarden.events.sources import TimeSource
from paywarden.events.time_readers import DAY_MS, read_time

ROWS = 100_000
"""Rows that are looked at: enough to see the rarer values, and a second or two for a wide file."""

MANY_VALUES = 1_000
_PERSONAL = (
    *("first", "last", "name", "surname", "street", "address", "dob", "birth", "gender", "sex", "zip", "postcode"),
    *("ssn", "phone", "job", "age", "race", "nationality", "cvv"),
)
_KNOWN_LATER = ("fraud", "fraudulent", "chargeback", "label", "target", "flagged", "dispute", "disputed")


@dataclass(frozen=True)
class Proposal:
    """``text`` is a mapping as YAML with comments; ``missing`` says what was not found, and what to do about it.

    The text loads as a :class:`~paywarden.events.mapping.Mapping` if the essentials, time and amount, were found.
    """

    text: str
    missing: tuple[str, ...]


def propose(path: str | Path, rows: int = ROWS) -> Proposal:
    """A mapping for a ``.parquet`` or ``.csv`` file, from its first ``rows`` rows.

    Raises :class:`~paywarden.errors.DataError` if the file cannot be read.
    """
    path = Path(path)
    found = first_rows(path, rows)
    names = [name for name, _ in found]
    columns = [Column(name, values) for name, values in found if name and names.count(name) == 1]
    guesses = _guesses(columns, path)
    text = "\n".join([*_header(path, columns), *_body(guesses), *_rest(columns, guesses)]) + "\n"
    return Proposal(text, tuple(_missing(guesses, names, columns)))


def _guesses(columns: Sequence[Column], path: Path) -> dict[str, Guess]:
    """Guesses by key, each made of the columns that no earlier one has used."""
    found: dict[str, Guess] = {}

    def note(*guesses: Guess | None) -> list[Column]:
        found.update((guess.key, guess) for guess in guesses if guess is not None)
        used = {column for guess in found.values() for column in guess.columns}
        return [column for column in columns if column.name not in used]

    time = guess_time(columns)
    left = note(time[0] if time else None)
    left = note(fields.guess_label(left, _span_days(path, time[1]) if time else None))
    left = note(fields.guess_amount(left))
    left = note(fields.guess_id(left))
    left = note(*entities.guess_places(left))
    left = note(*entities.guess_entities(left))
    left = note(fields.guess_currency(left), fields.guess_country(left))
    left = note(fields.guess_category(left))
    left = note(*guess_listed(left))
    note(extras.guess_components(left))
    return found


def _span_days(path: Path, source: TimeSource) -> float | None:
    """Days between the first and the last time of the whole file."""
    try:
        read = read_columns(path, source.columns)
    except DataError:  # a row beyond those looked at is broken: reading through the mapping will say so
        return None
    times = read_time(source, read[source.column], read[source.hour] if source.hour else None).drop_null()
    return float(np.ptp(times.to_numpy(zero_copy_only=False))) / DAY_MS if len(times) else None


def _header(path: Path, columns: Sequence[Column]) -> Iterator[str]:
    rows = len(columns[0].values) if columns else 0
    yield f"# A proposal for {one_line(path.name)}, from {len(columns)} columns and {rows:,} rows. Correct it, then:"
    yield "#   paywarden data describe FILE --mapping THIS_FILE"


def _body(guesses: dict[str, Guess]) -> Iterator[str]:
    found = [guesses[name] for name in entities.ENTITIES if name in guesses]
    if found:
        yield "entities: # the first one routes: it is the key of a payment and of its labels"
        for guess in found:
            yield from _entry(guess, "  ")
    else:
        yield "# entities: none was found, so there are no features of history. {card: COLUMN, merchant: COLUMN}"
    for key, shape in _ORDER:
        if key in guesses:
            yield from _entry(guesses[key], "")
        elif shape:
            yield f"# {key}: NOT FOUND. {shape}"


_ORDER = (
    ("transaction_id", ""),
    ("occurred_at", "{column: COLUMN, format: datetime, timezone: UTC}"),
    ("amount", "{column: COLUMN, unit: major}"),
    ("currency", ""),
    ("transaction_type", ""),
    ("auth_result", ""),
    ("category", ""),
    ("channel", ""),
    ("country", ""),
    ("latitude", ""),
    ("longitude", ""),
    ("label", "{column: COLUMN, source: chargeback, delay: 7d}"),
)
"""Keys in the order in which they are written, and what to write where one that matters was not found."""


def _entry(guess: Guess, indent: str) -> Iterator[str]:
    yield from (f"{indent}# {why}" for why in guess.why)
    yield f"{indent}{guess.key}: {guess.lines[0]}".rstrip()
    yield from (f"{indent}{line}" for line in guess.lines[1:])


def _rest(columns: Sequence[Column], guesses: dict[str, Guess]) -> Iterator[str]:
    """The extras, those that may be added as comments, and the columns that are left out, with the reason."""
    used = {column for guess in guesses.values() for column in guess.columns}
    left = [column for column in columns if column.name not in used]
    personal = [c for c in left if c.has(*_PERSONAL)]
    later = [c for c in left if c.has(*_KNOWN_LATER) and c not in personal]
    open_to_choice = [c for c in left if c not in personal + later]
    numbers = [c for c in open_to_choice if c.is_number]
    texts = [c for c in open_to_choice if not c.is_number and 1 < c.distinct <= MANY_VALUES]
    if numbers or texts:
        yield "# Columns behind a # may be given to the model as well, if they are known when a payment is decided."
    yield from _extras(guesses, numbers)
    if texts:
        yield "# extra_categories:"
        yield from (
            f"#   {name}: {scalar(c.name)} # {c.distinct:,} values" for name, c in extras.with_extra_names(texts)
        )
    for said, group in (
        ("they may say who somebody is", personal),
        ("they may be known only after the payment", later),
        ("nothing was made of them", [c for c in open_to_choice if c not in numbers + texts]),
    ):
        if group:
            yield f"# Left out, {said}: {', '.join(one_line(column.name) for column in group)}"


def _extras(guesses: dict[str, Guess], numbers: Sequence[Column]) -> Iterator[str]:
    components, distance = guesses.get("extra_numbers"), guesses.get("distance_km")
    if components or distance:
        yield "extra_numbers:"
        if distance:
            yield from _entry(Guess("home_distance_km", distance.lines, why=distance.why), "  ")
        if components:
            yield from (f"  # {why}" for why in components.why)
            yield from components.lines[1:]
        yield from (f"  # {name}: {scalar(c.name)}" for name, c in extras.with_extra_names(numbers))
    elif numbers:
        yield "# extra_numbers: # {column: COLUMN, aggregate: true} to see them over cards and merchants, too"
        yield from (f"#   {name}: {scalar(c.name)}" for name, c in extras.with_extra_names(numbers))


def _missing(guesses: dict[str, Guess], names: Sequence[str], columns: Sequence[Column]) -> Iterator[str]:
    if len(names) == 1:
        yield "there is only one column: values must be separated by commas"
    if columns and not len(columns[0].values):
        yield "there are no rows to look at"
    if "occurred_at" not in guesses:
        yield "no column of times: write occurred_at before the mapping can be used"
    if "amount" not in guesses:
        yield "no column of amounts: write amount before the mapping can be used"
    if "label" not in guesses:
        yield "no column that says which payments were frauds: without label nothing can be trained on these data"
    if not set(entities.ENTITIES) & set(guesses):
        yield "no card, merchant or other entity: there would be no features of history"
    if not guesses["currency"].columns:
        yield "no column of currencies: EUR is assumed"
    if not guesses["transaction_id"].columns:
        yield "no column of ids: the number of the row it is"
    if "occurred_at" in guesses and "start:" in guesses["occurred_at"].lines[0]:
        yield "times are counted from a start that is not in the file: write it"
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        yield f"columns that occur twice were not looked at: {', '.join(map(one_line, twice))}"
    if "" in names:
        yield "a column without a name was not looked at"
