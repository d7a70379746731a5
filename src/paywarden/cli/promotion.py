"""`paywarden models judge`, `promote` and `report`: what becomes of a registered version, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any

import typer

from paywarden import wiring
from paywarden.cli.console import err, out, print_json, saying, settings_of
from paywarden.errors import ChampionMoved
from paywarden.jobs.judge import Judge, promote_by_gate, promote_judging_again
from paywarden.jobs.verdict_record import VerdictRecord, standing
from paywarden.settings import Settings

Version = Annotated[int, typer.Argument(help="The version.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the outcome as one line of JSON.")]


def judge(version: Version, as_json: AsJson = False) -> None:
    """Compare a version with the champion on the version's own test window, and write the verdict to the version.

    The data are those that the version was trained on, as its bundle records them, so the verdict is the one that
    `paywarden train` would have given at once. The exit code is 0 whatever the verdict.

    Example: [bold]paywarden models judge 3[/]
    """
    settings = settings_of()
    with _judge(settings) as judging:
        record = judging.judge(version)
    _tell(version, record, as_json=as_json)


def promote(
    version: Annotated[int, typer.Argument(help="The version to serve.")],
    alias: Annotated[str, typer.Option(help="The alias to move.")] = "champion",
    by_gate: Annotated[
        bool, typer.Option("--by-gate", help="Only if the gate's verdict says so, and the same champion still serves.")
    ] = False,
    judge_again: Annotated[
        bool, typer.Option("--judge-again", help="With --by-gate: if the champion has changed, judge against it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --by-gate: say it, and move no alias.")] = False,
    as_json: AsJson = False,
) -> None:
    """Point an alias at a version, whatever the gate says, or by its verdict; a running stream takes it up by itself.

    A champion whose features need a state that is not there yet waits for `paywarden state build --model VERSION`; the
    former one goes on meanwhile, and is `previous` from then on: `paywarden models rollback` goes back to it.

    Examples: [bold]paywarden models promote 3[/], [bold]paywarden models promote 3 --by-gate[/]
    """
    settings = settings_of()
    if (judge_again or dry_run) and not by_gate:
        raise typer.BadParameter("--judge-again and --dry-run belong to --by-gate")
    if by_gate:
        _promote_by_gate(settings, version, judge_again=judge_again, dry_run=dry_run, as_json=as_json)
        return
    registry = wiring.registry(settings)
    former = None
    if alias == "champion":
        serving = registry.find_champion()
        former = serving.version if serving else None
        registry.promote(version, over=former)
    else:
        registry.set_alias(alias, version)
    if as_json:
        print_json({"version": version, "alias": alias, "former": former})
        return
    out.print(f"{alias} is version {version}" + (f"; previous is version {former}" if former else ""), highlight=False)


def report(version: Version, as_json: AsJson = False) -> None:
    """Say what became of a version: the gate's verdict in words and figures, and what serves now.

    Example: [bold]paywarden models report 3[/]
    """
    registry = wiring.registry(settings_of())
    found = registry.find(version)
    serving = registry.find_champion()
    champion = serving.version if serving else None
    record = VerdictRecord.of_tags(found.tags)
    words = standing(version, record, champion)
    if not as_json:
        out.print(words, highlight=False, markup=False)
        if record:
            out.print(registry.document(version, "gate.md"), highlight=False, markup=False)
        return
    print_json(
        {
            "version": version,
            "digest": found.bundle_digest,
            "aliases": list(found.aliases),
            "champion": champion,
            "verdict": asdict(record) if record else None,
            "gain": {name: found.tags.get(f"paywarden.gate.{name}") for name in ("measure", "gain", "interval")},
            "test": registry.get(version).metrics["test"],
            "words": words,
        }
    )


def _promote_by_gate(settings: Settings, version: int, *, judge_again: bool, dry_run: bool, as_json: bool) -> None:
    try:
        if judge_again and not dry_run:
            with _judge(settings) as judging:
                record = promote_judging_again(judging, version)
        else:
            record = promote_by_gate(wiring.registry(settings), version, dry_run=dry_run)
    except ChampionMoved as moved:
        words = f"{moved} `paywarden models judge {version}` does so."
        if as_json:
            print_json({"version": version, "promoted": False, "champion_moved": True, "words": words})
        else:
            out.print(words, highlight=False, markup=False)
        return
    _tell(version, record, as_json=as_json)


def _tell(version: int, record: VerdictRecord, *, as_json: bool) -> None:
    if as_json:
        document: dict[str, Any] = {"version": version, **asdict(record)}
        print_json({**document, "champion_moved": False, "words": record.words(version)})
    else:
        out.print(record.words(version), highlight=False, markup=False)


@contextmanager
def _judge(settings: Settings) -> Iterator[Judge]:
    with err.status("judging") as status:
        say: Callable[[str], None] = saying(status)
        with wiring.replayer(settings, say) as replayer:
            yield wiring.judge(settings, replayer, say)
