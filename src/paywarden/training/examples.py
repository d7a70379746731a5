"""From windows to what a booster is fitted on: usable rows with their outcomes, encoded as they will be served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import DataError
from paywarden.evaluation.labels import known_compromised
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.splits import DAY_MS, Window
from paywarden.scoring.encoding import TargetEncoder
from paywarden.training.boosters import Examples
from paywarden.training.dataset import Dataset
from paywarden.training.encoding import (
    code_columns,
    encode_in_time_order,
    fit_encoder,
    fit_places,
    overall_smoothing,
)


@dataclass(frozen=True, eq=False)
class KnownRows:
    """The usable rows of a window (int64 indices) with their outcome as known at the window's cut-off.

    `weight` float32 [n] is how many transactions each row stands for; None where each stands for itself.
    """

    index: NDArray[np.int64]
    target: NDArray[np.bool_]
    pattern: NDArray[np.object_]
    weight: NDArray[np.float32] | None = None


def known_rows(dataset: Dataset, window: Window, cutoff: int, compromised_days: int | None) -> KnownRows:
    """The rows of a window whose outcome is known by the labels received by `cutoff` (epoch ms).

    Only mature rows: of the immature ones, frauds are known earlier than the rest, and would be too many. With
    `compromised_days`, cards already known as compromised are left out (see `TrainingSettings`).
    """
    verdicts = dataset.verdicts_at(cutoff)
    usable = window.contains(dataset.occurred_at) & verdicts.mature & verdicts.known
    if compromised_days is not None:
        since = window.start - compromised_days * DAY_MS
        usable &= ~known_compromised(dataset.card, dataset.occurred_at, dataset.fraud_known_at, since)
    index = np.flatnonzero(usable)
    return KnownRows(index, verdicts.fraud[index], verdicts.pattern[index], _weights(dataset, index))


def predictions_of(
    dataset: Dataset, rows: KnownRows, raw: NDArray[np.float64], score: NDArray[np.float64]
) -> Predictions:
    """The rows with what is known of them, scored: `raw` log-odds and `score` probability, float64 [n] each."""
    return Predictions(
        target=rows.target,
        raw=raw,
        score=score,
        occurred_at=dataset.occurred_at[rows.index],
        card=dataset.card[rows.index],
        amount=dataset.amount[rows.index],
        pattern=rows.pattern,
        segments={name: labels[rows.index] for name, labels in dataset.segments.items()},
        weight=rows.weight,
    )


def _weights(dataset: Dataset, index: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """None where all weigh one: boosters then need not look, and give the bytes that they give without."""
    weight = dataset.weight[index]
    return None if (weight == 1.0).all() else weight


def require_both_classes(name: str, rows: KnownRows) -> None:
    """Nothing, where the window has frauds and genuine transactions; DataError saying how many of each else."""
    if not rows.target.any() or rows.target.all():
        raise DataError(
            f"The {name} window has {int(rows.target.sum())} frauds among {len(rows.target)} transactions whose "
            "outcome was known in time. Both kinds are needed: bring more history or labels, or move the windows."
        )


@dataclass(frozen=True, eq=False)
class Prepared:
    """The rows of all windows by name, as examples, and the encoder that made them, which will serve.

    `categories` are the codes (float32 [n], NaN absent) of the training rows behind each column that stands for one.
    """

    rows: Mapping[str, KnownRows]
    examples: Mapping[str, Examples]
    categories: Mapping[int, NDArray[np.float32]]
    encoder: TargetEncoder


def prepare(
    dataset: Dataset, rows: Mapping[str, KnownRows], train_cutoff: int, strength: float, *, native: bool = False
) -> Prepared:
    """The examples of these windows: the later ones as the encoder encodes them, "train" in time order.

    `native` leaves categories to the booster, which then finds their places, and nothing learnt from outcomes.
    """
    codes = {place: dataset.features[rows["train"].index, place] for place in code_columns(dataset).values()}
    if native:
        encoder = fit_places(dataset, rows["train"].index)
        places = {
            name: Examples(
                encoder.apply(dataset.feature_names, dataset.features[known.index]),
                known.target,
                known.weight,
                categorical=tuple(codes),
            )
            for name, known in rows.items()
        }
        return Prepared(rows, places, codes, encoder)
    smoothing = overall_smoothing(dataset, train_cutoff, strength)
    encoder = fit_encoder(dataset, train_cutoff, smoothing)
    examples = {}
    for name, known in rows.items():
        if name == "train":
            features = encode_in_time_order(dataset, known.index, smoothing)
        else:
            features = encoder.apply(dataset.feature_names, dataset.features[known.index])
        examples[name] = Examples(features, known.target, known.weight)
    return Prepared(rows, examples, codes, encoder)
