"""`paywarden dlq`: what the stream refused, and sending it again."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from paywarden.cli.console import INTERRUPTED, epoch_ms, err, out, print_json, settings_of
from paywarden.cli.service import stop_on_signals
from paywarden.events.blotting import shown
from paywarden.jobs.dead_letters import Group, Redriven, Selection
from paywarden.wiring.dead_letters import dead_letter_office

app = typer.Typer(help="Dead letters: what was refused, why, and sending it again.", no_args_is_help=True)

_PLACE = re.compile(r"(\d+):(\d+)")

Reasons = Annotated[list[str] | None, typer.Option("--reason", help="Only of this reason; may be given repeatedly.")]
Topic = Annotated[str | None, typer.Option(help="Only what came from this topic.")]
Partition = Annotated[int | None, typer.Option(min=0, help="Only what came from this partition.")]
Since = Annotated[str | None, typer.Option(help="Only what was refused from this time on (ISO, UTC).")]
Until = Annotated[str | None, typer.Option(help="Only what was refused before this time (ISO, UTC).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]


@app.command(name="list")
def list_(
    reason: Reasons = None,
    topic: Topic = None,
    partition: Partition = None,
    since: Since = None,
    until: Until = None,
    each: Annotated[int, typer.Option(min=0, help="Name so many of the letters one by one, too.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Count dead letters by reason and by the partition they came from.

    Examples: [bold]paywarden dlq list[/], [bold]paywarden dlq list --reason malformed_json --each 20[/]
    """
    selection = _selection(reason, topic, partition, since, until)
    with dead_letter_office(settings_of()) as office:
        groups = office.groups(selection)
        letters = [letter for letter, _ in zip(office.letters(selection), range(each), strict=False)]
        marks = ["re-driven" if letter in office.log else "" for letter in letters]
    if as_json:
        print_json({"groups": [asdict(group) for group in groups]})
        return
    out.print(_table(groups))
    for letter, mark in zip(letters, marks, strict=True):
        origin = "{}/{}/{}".format(*letter.origin) if letter.origin else "?"
        detail = shown(letter.detail.encode())
        line = f"{letter.partition}:{letter.offset}  {_time(letter.refused_at)}  {letter.reason}  {origin}  {detail}"
        out.print(escape(f"{line}  {mark}".rstrip()), highlight=False, soft_wrap=True)


@app.command()
def show(
    letter: Annotated[str, typer.Argument(help="PARTITION:OFFSET on the dead-letter topic, as `list` gives it.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Show the bytes as they are. They may hold a card number: mind who looks.")
    ] = False,
) -> None:
    """Show one dead letter: why it was refused, where it came from, its key and bytes.

    Digits that could be a card number are shown as *, unless --raw is given; what is not printable is escaped.

    Example: [bold]paywarden dlq show 0:17[/]
    """
    partition, offset = _place(letter)
    with dead_letter_office(settings_of()) as office:
        found = office.letter(partition, offset)
        redriven = found in office.log
    rows = {
        "reason": found.reason,
        "detail": shown(found.detail.encode(), raw=raw),
        "refused at": _time(found.refused_at),
        "came from": "{}, partition {}, offset {}".format(*found.origin) if found.origin else "unknown",
        "re-driven": "yes" if redriven else "no",
        "key": shown(found.key, raw=raw),
        "bytes": "none" if found.value is None else f"{len(found.value):,}",
        "value": shown(found.value, raw=raw),
    }
    for name, text in rows.items():
        out.print(f"[bold]{name:<11}[/]{escape(text)}", highlight=False, soft_wrap=True)


@app.command()
def redrive(
    reason: Reasons = None,
    topic: Topic = None,
    partition: Partition = None,
    since: Since = None,
    until: Until = None,
    letter: Annotated[list[str] | None, typer.Option(help="Only this one, PARTITION:OFFSET; repeatable.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Whatever has not been re-driven yet.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing; say how many would be.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Send again also what has been re-driven before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters to the topic they came from, with their key and bytes, once what refused them is corrected.

    A letter is re-driven once; run the command again after a failure or Ctrl-C and it goes on. Each record bears the
    header paywarden.redriven.from. What is refused again becomes a new dead letter.

    Examples: [bold]paywarden dlq redrive --reason unknown_currency --dry-run[/],
    [bold]paywarden dlq redrive --letter 0:17[/]
    """
    selection = _selection(reason, topic, partition, since, until, letter)
    if selection == Selection() and not everything:
        raise typer.BadParameter("say which letters are meant (--reason, --since, --letter, …), or --all")
    stop = stop_on_signals()
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} letters looked at"))
    with dead_letter_office(settings_of()) as office, Progress(*columns, console=err, transient=True) as bars:
        task = bars.add_task("", total=None)
        done = office.redrive(
            selection,
            force=force,
            dry_run=dry_run,
            stopped=stop.is_set,
            progress=lambda count: bars.update(task, completed=count),
        )
    _tell(done, dry_run=dry_run, as_json=as_json)
    if not done.finished:
        raise typer.Exit(INTERRUPTED)


def _tell(done: Redriven, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json(asdict(done))
        return
    verb = "would be sent again" if dry_run else "sent again"
    out.print(f"{done.selected:,} selected, {done.sent:,} {verb}", highlight=False)
    if done.already:
        out.print(f"{done.already:,} were sent again before (--force repeats them)", highlight=False)
    if done.foreign:
        out.print(f"{done.foreign:,} name no topic they came from, and stay", highlight=False)
    if not done.finished:
        err.print("interrupted between two parcels; run the command again to go on")


def _selection(
    reason: list[str] | None,
    topic: str | None,
    partition: int | None,
    since: str | None,
    until: str | None,
    places: list[str] | None = None,
) -> Selection:
    return Selection(
        frozenset(reason or ()),
        topic,
        partition,
        epoch_ms(since, "--since"),
        epoch_ms(until, "--until"),
        frozenset(_place(place) for place in places or ()),
    )


def _place(text: str) -> tuple[int, int]:
    found = _PLACE.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no letter; write PARTITION:OFFSET, such as 0:17")
    return int(found[1]), int(found[2])


def _table(groups: list[Group]) -> Table:
    table = Table("reason", "came from", "letters", "re-driven", "first refused", "last refused")
    for group in groups:
        origin = group.topic if group.partition is None else f"{group.topic}/{group.partition}"
        counts = (f"{group.count:,}", f"{group.redriven:,}")
        table.add_row(escape(group.reason), escape(origin), *counts, _time(group.first_at), _time(group.last_at))
    return table


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
