"""`paywarden evaluate`: what a model would be worth on a file of transactions, without Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paywarden import wiring
from paywarden.cli.console import err, out, settings_of
from paywarden.cli.train import metrics_table
from paywarden.evaluation.report import write_report
from paywarden.features.templates import full_catalogue
from paywarden.jobs.train import split_of, windows_of
from paywarden.jobs.training_data import History, replayed_dataset
from paywarden.scoring.wording import reason_book
from paywarden.training.trainer import train


def evaluate(
    file: Annotated[Path, typer.Argument(help="A .parquet, .csv or .csv.gz file.")],
    mapping: Annotated[str, typer.Option(help="A shipped mapping's name, or the path of a YAML mapping.")],
    directory: Annotated[Path, typer.Option("--out", help="Where report.json, report.md and plots go.")] = Path(
        "build/evaluate"
    ),
    label_delay_days: Annotated[
        float | None,
        typer.Option(help="After how many days an unlabelled payment is genuine [default: the mapping's label delay]."),
    ] = None,
    train_days: Annotated[int | None, typer.Option(help="Train on the last so many days [default: all].")] = None,
) -> None:
    """Replay a file into features, train on its past, and report on its later weeks.

    Example: [bold]paywarden evaluate handbook_raw.parquet --mapping handbook --train-days 60[/]
    """
    settings = settings_of()
    data = wiring.mapped_data(settings, file, mapping)
    catalogue = full_catalogue(data.schema)
    err.print(f"replaying {data.transactions.num_rows:,} transactions and {data.labels.num_rows:,} labels")
    delay_ms = data.label_delay_ms if label_delay_days is None else wiring.days_ms(label_delay_days)
    dataset = replayed_dataset(History(data.transactions, data.labels, {"file": file.name}), catalogue, delay_ms)
    split = split_of(dataset, train_days)
    err.print("training")
    result = train(dataset, split, wiring.training_settings(settings), reasons=reason_book(catalogue))
    facts = {"bundle": result.bundle.digest, "features": len(result.bundle.feature_names), "split": split.to_dict()}
    paths = write_report(directory, f"Paywarden on {file.name}", windows_of(result), facts)
    out.print(metrics_table(result.test, "the test window"))
    out.print("written: " + ", ".join(str(path) for path in paths), highlight=False)
