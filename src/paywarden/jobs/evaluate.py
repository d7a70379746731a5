"""Evaluate a file: what a model would be worth on it, from the file alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from paywarden.errors import DataError
from paywarden.evaluation.splits import prequential
from paywarden.events.mapped_data import MappedData
from paywarden.features.templates import full_catalogue
from paywarden.jobs.train import report_of, split_of
from paywarden.jobs.training_data import History, replayed_dataset
from paywarden.scoring.wording import reason_book
from paywarden.training.prequential import fold_rows, train_folds
from paywarden.training.trainer import TrainingResult, TrainingSettings, train


def evaluate_file(
    data: MappedData,
    name: str,
    label_delay_ms: int,
    train_days: int | None,
    settings: TrainingSettings,
    directory: Path,
    *,
    folds: int = 1,
    say: Callable[[str], None] = lambda _text: None,
) -> tuple[TrainingResult, list[Path]]:
    """A model trained on the past of a mapped file, and the paths of the report on its later weeks.

    The split is by time and chosen from the span; nothing is written where it fails. With more ``folds`` than one, as
    many test windows that follow one another, the last of them the split's, each have a model trained on their past.
    Raises DataError where the file has no labels, too few frauds, or too short a span, saying what to do.
    """
    if not data.labels.num_rows:
        raise DataError(
            f"{name} has no label of fraud by this mapping, so that nothing can be learnt. Name the column that says "
            "what was fraud, under label: in the mapping."
        )
    catalogue = full_catalogue(data.schema)
    say(f"replaying {data.transactions.num_rows:,} transactions and {data.labels.num_rows:,} labels")
    dataset = replayed_dataset(History(data.transactions, data.labels, {"file": name}), catalogue, label_delay_ms)
    split = split_of(dataset, train_days)
    splits = prequential(split, folds, int(dataset.occurred_at.min()))
    say("training")
    result = train(dataset, split, settings, reasons=reason_book(catalogue))
    earlier = train_folds(dataset, splits[:-1], settings, say)
    facts = {"bundle": result.bundle.digest, "features": len(result.bundle.feature_names), "split": split.to_dict()}
    rows = fold_rows(splits, (*earlier, result)) if earlier else []
    return result, report_of(result, directory, f"Paywarden on {name}", facts, rows)
