"""`paywarden alerts`: alerts become cases, verdicts become labels."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from paywarden.cli.console import log, out, print_json, settings_of
from paywarden.cli.service import HeartbeatFile, MetricsPort, figures, heartbeat, stop_on_signals
from paywarden.errors import PaywardenError
from paywarden.events.alerts import Alert
from paywarden.jobs.alerts import Taken
from paywarden.settings import Settings
from paywarden.wiring.alerts import AlertWork, alert_work

if TYPE_CHECKING:
    from paywarden.service.metrics.alerts import AlertMetrics

app = typer.Typer(no_args_is_help=True, help="Alerts become cases for analysts, their verdicts become labels.")

_FORGET_EVERY = 3600
"""Rounds between two looks for payments that are too old; each look reads one index."""


@app.command()
def run(
    every: Annotated[float, typer.Option(min=0.05, help="Look every so many seconds for what is new.")] = 0.5,
    once: Annotated[bool, typer.Option("--once", help="Take and send what there is, then end.")] = False,
    database: Annotated[
        str | None, typer.Option(help="sqlite:///file or postgresql://…; put a password into the environment.")
    ] = None,
    beat: HeartbeatFile = None,
    metrics_port: MetricsPort = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as one line of JSON.")] = False,
) -> None:
    """Take alerts from Kafka into the database of cases, post them, and send analysts' verdicts to the labels topic.

    Each alert is taken exactly once, each verdict is sent once. Run a second one, and it stands by until the first one
    is gone. SIGTERM and Ctrl-C end it after the step under way; a failure of Kafka or the database is said and tried
    again.

    Example: [bold]paywarden alerts run --database sqlite:///data/cases.sqlite[/]
    """
    if once and metrics_port is not None:
        raise typer.BadParameter("--metrics-port does not go with --once: it is over before anybody looks")
    stop = stop_on_signals()
    settings = settings_of(cases__database=database, metrics__port=metrics_port)
    work = alert_work(settings)
    try:
        if once:
            _tell(_round(work), lambda text, **_: out.print(text, highlight=False), as_json=as_json)
            return
        _forever(settings, work, stop, heartbeat(beat), every, as_json=as_json)
    finally:
        stop.set()
        work.close()


def _forever(
    settings: Settings,
    work: AlertWork,
    stop: threading.Event,
    alive: Callable[[], None],
    every: float,
    *,
    as_json: bool,
) -> None:
    # Not above: it reads its environment when imported, which `paywarden serve` sets for its workers first.
    from paywarden.service.metrics.alerts import AlertMetrics  # noqa: PLC0415

    with figures(settings, "alerts", AlertMetrics, lambda metrics: metrics.standing(*work.standing())) as metrics:
        _rounds(work, metrics, stop, alive, every, as_json=as_json)


def _rounds(
    work: AlertWork,
    metrics: AlertMetrics,
    stop: threading.Event,
    alive: Callable[[], None],
    every: float,
    *,
    as_json: bool,
) -> None:
    held, rounds = True, 0
    poster = threading.Thread(target=_post, args=(work, metrics, stop, every), daemon=True)
    if work.webhook is not None:
        poster.start()
    while not stop.is_set():
        try:
            was_held, held = held, work.lease.hold()
            if was_held and not held:
                log.say("another `paywarden alerts run` works on this database; standing by")
            metrics.working.set(held)
            if held:
                began = time.monotonic()
                done = _round(work, posts=False)
                metrics.round(done[:2], time.monotonic() - began)
                _tell(done, log.say, as_json=as_json)
                if rounds % _FORGET_EVERY == 0:
                    work.forget()
                rounds += 1
        except PaywardenError as error:
            metrics.failures.inc()
            log.warn(f"{error}; trying again")
        else:
            alive()
        stop.wait(every)
    if poster.is_alive():
        poster.join()
    log.say("stopped after the last step")


def _round(work: AlertWork, *, posts: bool = True) -> tuple[Taken, int, int]:
    sent = work.send()
    return work.take(_note), sent, work.post() if posts else 0


def _note(alert: Alert) -> None:
    told = {name: getattr(alert, name) for name in ("decision_id", "transaction_id", "source", "decision", "score")}
    log.note("alert", **told)


def _post(work: AlertWork, metrics: AlertMetrics, stop: threading.Event, every: float) -> None:
    """A receiver that is slow holds up neither alerts nor verdicts."""
    while not stop.is_set():
        try:
            if work.lease.hold():
                metrics.posted.inc(work.post())
        except PaywardenError as error:
            log.warn(f"{error}; trying again")
        stop.wait(every)


def _tell(done: tuple[Taken, int, int], say: Callable[..., None], *, as_json: bool) -> None:
    taken, sent, posted = done
    if not (taken.alerts or taken.unreadable or sent or posted):
        return
    fields = {**asdict(taken), "labels_sent": sent, "posted": posted}
    if as_json:
        print_json(fields)
        return
    words = [f"{taken.alerts:,} new alerts"] if taken.alerts else []
    words += [f"{sent:,} labels sent"] if sent else []
    words += [f"{posted:,} alerts posted"] if posted else []
    words += [f"{taken.unreadable:,} messages are no decisions of ours"] if taken.unreadable else []
    say(", ".join(words), **fields)
