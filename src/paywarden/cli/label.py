"""`paywarden label`: a verdict on a transaction."""

from __future__ import annotations

from typing import Annotated

import typer

from paywarden import wiring
from paywarden.cli.console import out, settings_of
from paywarden.clock import system_clock
from paywarden.jobs.label import Verdict, complete_labels, send_labels
from paywarden.jobs.training_data import read_history


def label(
    transaction_ids: Annotated[list[str], typer.Argument(help="Ids of transactions that the lake holds.")],
    fraud: Annotated[bool, typer.Option("--fraud/--genuine", help="The verdict.")] = True,
    source: Annotated[str, typer.Option(help="chargeback, analyst or issuer_report.")] = "analyst",
    pattern: Annotated[str | None, typer.Option(help="The fraud pattern, if it is known.")] = None,
) -> None:
    """Send a label for transactions of which only the ids are known; the lake completes it.

    The stream then counts it for the card and the merchant, and training knows it from now on.

    Example: [bold]paywarden label t0000000AB --fraud --source chargeback[/]
    """
    settings = settings_of()
    topics, schema = settings.kafka.topics, wiring.event_schema(settings)
    transactions = read_history(wiring.lake(settings), topics.transactions, topics.labels).transactions
    now = system_clock()
    verdicts = [Verdict(name, fraud, source, now, pattern) for name in transaction_ids]
    labels = complete_labels(verdicts, transactions, schema)
    with wiring.kafka_sink(settings) as sink:
        sent = send_labels(labels, sink, topics.labels, schema)
    out.print(f"acknowledged: {sent} label(s)", highlight=False)
