"""`paywarden train`: lake to registered model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from paywarden import wiring
from paywarden.cli.console import err, out, settings_of
from paywarden.evaluation.metrics import Metrics
from paywarden.jobs.train import train_and_register
from paywarden.scoring.wording import reason_book
from paywarden.training.strategies import StrategyFigures


def train(
    lake: Annotated[str | None, typer.Option(help="The lake's path or s3:// URL.")] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow's tracking URI.")] = None,
    label_delay_days: Annotated[
        float | None,
        typer.Option(help="After how many days an unlabelled payment is genuine [default: training.label_delay_days]."),
    ] = None,
    catalogue: Annotated[
        str | None,
        typer.Option(help="Features: full, core or a YAML file [default: the settings' features.catalogue]."),
    ] = None,
    train_days: Annotated[int | None, typer.Option(help="Train on the last so many days [default: all].")] = None,
    booster: Annotated[
        str | None, typer.Option(help="xgboost, lightgbm, catboost or logistic [default: training.booster].")
    ] = None,
    imbalance: Annotated[
        str | None,
        typer.Option(help="auto, none, class_weight, undersampling or smote [default: training.imbalance]."),
    ] = None,
    tuning_trials: Annotated[
        int | None, typer.Option(help="Search hyperparameters so many times [default: training.tuning_trials].")
    ] = None,
    replay: Annotated[
        str | None, typer.Option(help="Where to replay: local, or spark for a long history [default: training.replay].")
    ] = None,
    alias: Annotated[str, typer.Option(help="The alias to give the new version; empty for none.")] = "champion",
) -> None:
    """Replay the lake into features, train, calibrate, choose thresholds, and register the model in MLflow.

    The split is by time: train, a gap as long as the label delay, validation (one half to choose the model, one to
    calibrate it), a gap, test.

    Example: [bold]paywarden train --label-delay-days 7 --alias challenger[/]
    """
    settings = settings_of(
        lake__path=lake,
        mlflow__tracking_uri=tracking_uri,
        features__catalogue=catalogue,
        training__label_delay_days=label_delay_days,
        training__train_days=train_days,
        training__booster=booster,
        training__imbalance=imbalance,
        training__tuning_trials=tuning_trials,
        training__replay=replay,
    )
    features = wiring.catalogue(settings)
    history = wiring.training_history(settings)

    def say(text: str) -> None:
        err.print(text, highlight=False)

    with wiring.replayer(settings, say) as replayer:
        trained = train_and_register(
            history,
            features,
            wiring.registry(settings),
            wiring.training_settings(settings),
            label_delay_days=settings.training.label_delay_days,
            train_days=settings.training.train_days,
            alias=alias or None,
            reasons=reason_book(features),
            replayer=replayer,
            say=say,
        )
    out.print(strategies_table(trained.result.strategies))
    out.print(metrics_table(trained.result.test, f"version {trained.version} on its test window"))


def strategies_table(strategies: Sequence[StrategyFigures]) -> Table:
    """An imbalance strategy a row, measured on the test window; the one that was used is marked."""
    table = Table("imbalance", "AP", "card precision", "Brier", "calibration error", "Brier uncalibrated")
    for some in strategies:
        test = some.test
        values = (test.average_precision, test.card_precision, test.brier, test.calibration_error)
        shown = ["–" if value is None else f"{value:.4f}" for value in (*values, test.uncalibrated_brier)]
        table.add_row(f"{some.strategy} (used)" if some.chosen else some.strategy, *shown)
    return table


def metrics_table(metrics: Metrics, title: str) -> Table:
    """A metric a row."""
    table = Table("figure", "value", title=title, title_justify="left")
    for name, value in metrics.to_dict().items():
        if isinstance(value, float):
            table.add_row(name, f"{value:.4f}")
        elif isinstance(value, int):
            table.add_row(name, f"{value:,}")
    return table
