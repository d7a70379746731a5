"""`paywarden monitor`: whether what is served is still what was trained and promised."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paywarden import wiring
from paywarden.cli.console import VERDICT, epoch_ms, err, out, print_json, settings_of
from paywarden.jobs.monitor_report import write_reports
from paywarden.monitoring.findings import by_gravity

_ALARMING = ("alarm", "retrain")
_NOTHING_YET = "No model has been trained yet (`paywarden train`): there is nothing to watch."


def monitor(
    directory: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Where report.html, report.json and metrics.prom go [default: where console.monitor_report is].",
        ),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="What may be known, as an ISO time in UTC [default: the newest arrival].")
    ] = None,
    parity: Annotated[
        bool | None,
        typer.Option(
            "--parity/--no-parity", help="Replay the history, and compare served vectors [default: monitoring.parity]."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Watch the champion: drift, performance on matured labels against its promise, calibration, labels, parity.

    The verdict is quiet, watch, alarm (something is wrong with the data or the service) or retrain (the model has
    decayed); exit status 0 for the first two, 3 for the others. Everything is read from the lake. Before the first
    training there is nothing to watch, and it is quiet.

    Example: [bold]paywarden monitor --as-of 2027-01-31[/]
    """
    settings = settings_of()
    found = wiring.monitor(settings, as_of=epoch_ms(as_of), parity=parity, say=_say)
    if found is None:
        if json:
            print_json({"verdict": "quiet", "reasons": [], "version": None, "notes": [_NOTHING_YET]})
        else:
            out.print(_NOTHING_YET, highlight=False)
        return
    paths = write_reports(found, directory or settings.console.monitor_report.parent)
    if json:
        said = found.to_dict()
        kept = {name: said[name] for name in ("verdict", "reasons", "version", "as_of", "counts", "alerts", "notes")}
        print_json({**kept, "files": [str(path) for path in paths]})
    else:
        out.print(f"version {found.version}: {found.verdict}", highlight=False)
        for sentence in [*(finding.sentence for finding in by_gravity(found.findings)), *found.notes]:
            out.print(f"- {sentence}", highlight=False, markup=False)
        out.print("written: " + ", ".join(map(str, paths)), highlight=False, markup=False)
    if found.verdict in _ALARMING:
        raise typer.Exit(VERDICT)


def _say(text: str) -> None:
    err.print(text, highlight=False, markup=False)
