"""`paywarden evaluate`: what a model would be worth on a file of transactions, without Kafka."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import typer

from paywarden import wiring
from paywarden.cli.console import err, out, settings_of
from paywarden.cli.train import metrics_table
from paywarden.errors import ConfigurationError, DataError
from paywarden.features.templates import full_catalogue
from paywarden.jobs.evaluate import evaluate_file
from paywarden.jobs.evaluate_handbook import HandbookPlan, evaluate_handbook
from paywarden.jobs.training_data import History, replayed_dataset
from paywarden.training.boosters import KINDS
from paywarden.training.imbalance import STRATEGIES

PROTOCOL = "handbook"


def evaluate(
    file: Annotated[
        str,
        typer.Argument(help="A .parquet, .csv or .csv.gz file; or the word [bold]handbook[/] for its protocol."),
    ],
    mapping: Annotated[
        str | None,
        typer.Option(help="For a file: a shipped mapping's name, or the path of a YAML mapping."),
    ] = None,
    directory: Annotated[Path, typer.Option("--out", help="Where report.json, report.md and plots go.")] = Path(
        "build/evaluate"
    ),
    label_delay_days: Annotated[
        float | None,
        typer.Option(help="After how many days an unlabelled payment is genuine [default: the mapping's label delay]."),
    ] = None,
    train_days: Annotated[
        int | None, typer.Option(help="Train on the last so many days [default: all; for handbook, its 7].")
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            min=1, help="For a file: train on so many splits, a test window apart, and show how figures vary."
        ),
    ] = 1,
    data: Annotated[Path | None, typer.Option(help="For handbook: its data, the raw daily files joined.")] = None,
    features: Annotated[
        Path | None,
        typer.Option(help="For handbook: its own 14 features (.parquet), to check that the evaluation is its own."),
    ] = None,
    boosters: Annotated[str, typer.Option(help="For handbook: what to compare.")] = ",".join(KINDS),
    strategies: Annotated[str, typer.Option(help="For handbook: what to do about rare fraud.")] = ",".join(STRATEGIES),
) -> None:
    """Replay a file into features, train on its past, and report on its later weeks.

    A file of yours needs a mapping ([bold]paywarden data map[/] proposes one). The word [bold]handbook[/] in place of a
    file runs the Fraud Detection Handbook's own protocol on its data, beside its published figures; started again, it
    goes on where it was.

    Example: [bold]paywarden evaluate payments.csv --mapping payments.yaml[/]

    Example: [bold]paywarden evaluate handbook --data handbook_raw.parquet --out build/evaluate[/]
    """
    if file == PROTOCOL:
        if mapping is not None or data is None:
            raise ConfigurationError(
                "The handbook's protocol has its own mapping and takes its data by --data FILE: "
                "paywarden evaluate handbook --data handbook_raw.parquet. A file of that name is ./handbook."
            )
        plan = HandbookPlan(
            tuple(boosters.split(",")),
            tuple(strategies.split(",")),  # type: ignore[arg-type]  # the plan refuses others
            7 if train_days is None else train_days,
        )
        _evaluate_handbook(data, features, directory, plan)
        return
    if mapping is None or data is not None:
        raise ConfigurationError(
            f"Say how to read {file} with --mapping: a shipped mapping's name or a YAML file; "
            f"`paywarden data map {file}` proposes one. --data belongs to `paywarden evaluate handbook`."
        )
    settings = settings_of()
    mapped = wiring.mapped_data(settings, Path(file), mapping)
    delay_ms = mapped.label_delay_ms if label_delay_days is None else wiring.days_ms(label_delay_days)
    result, paths = evaluate_file(
        mapped,
        Path(file).name,
        delay_ms,
        train_days,
        wiring.training_settings(settings),
        directory,
        folds=folds,
        say=_say,
    )
    out.print(metrics_table(result.test, "the test window"))
    out.print("written: " + ", ".join(str(path) for path in paths), highlight=False)


def _evaluate_handbook(data: Path, features: Path | None, directory: Path, plan: HandbookPlan) -> None:
    mapped = wiring.mapped_data(settings_of(), data, PROTOCOL)
    if features is not None and not features.is_file():
        raise DataError(f"There is no file {features}. Leave --features out to go without the check.")
    _say(f"replaying {mapped.transactions.num_rows:,} transactions and {mapped.labels.num_rows:,} labels")
    history = History(mapped.transactions, mapped.labels, {"file": data.name})
    dataset = replayed_dataset(history, full_catalogue(mapped.schema), mapped.label_delay_ms)
    digest = hashlib.sha256(data.read_bytes()).hexdigest()
    theirs = None if features is None else pq.read_table(features)
    paths = evaluate_handbook(dataset, digest, directory, plan, their_features=theirs, say=_say)
    out.print("written: " + ", ".join(str(path) for path in paths), highlight=False)


def _say(text: str) -> None:
    err.print(text, highlight=False)
