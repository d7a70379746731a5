"""`paywarden train`: lake to registered model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.table import Table

from paywarden import wiring
from paywarden.cli.console import epoch_ms, err, out, print_json, saying, settings_of
from paywarden.evaluation.costs import major_units
from paywarden.evaluation.metrics import Metrics
from paywarden.jobs.once import version_of
from paywarden.jobs.train import outcome, train_and_register
from paywarden.jobs.verdict_record import VerdictRecord
from paywarden.scoring.wording import reason_book
from paywarden.settings import Settings
from paywarden.training.gate import GateVerdict
from paywarden.training.strategies import StrategyFigures

_MONEY: Final = ("money_saved",)


class PromoteChoice(str, Enum):  # noqa: UP042  # of a StrEnum mypy would not know the words
    """Who decides whether a new version serves."""

    gate = "gate"
    always = "always"
    never = "never"
    later = "later"


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
    device: Annotated[str | None, typer.Option(help="cpu or cuda [default: training.device].")] = None,
    tuning_minutes: Annotated[
        float | None, typer.Option(help="End the search after so long [default: training.tuning_minutes].")
    ] = None,
    promote: Annotated[
        PromoteChoice,
        typer.Option(
            help="Whether the gate decides that it serves, or it does, or does not; later leaves it to `models judge`."
        ),
    ] = PromoteChoice.gate,
    once: Annotated[
        str | None,
        typer.Option(
            help="A key of this training: started again with it, the command finishes or returns the version it made."
        ),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Train on what was known then, UTC: 2024-05-01T06:00 [default: all].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as one line of JSON.")] = False,
) -> None:
    """Replay the lake into features, train, register the model in MLflow, and promote it if the gate finds it better.

    The split is by time: train, a gap as long as the label delay, validation (one half to choose the model, one to
    calibrate it), a gap, test. On the test window the gate compares the model with the champion, or with a logistic
    regression on amount and time where there is none. A model that is refused stays registered, and the exit code is 0.

    Examples: [bold]paywarden train --label-delay-days 7[/], [bold]paywarden train --promote always[/]
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
        training__device=device,
        training__tuning_minutes=tuning_minutes,
    )
    known_at = epoch_ms(as_of)
    if once is not None and (version := _made_before(settings, once, promote)) is not None:
        _print_made_before(settings, version, as_json=as_json)
        return
    features = wiring.catalogue(settings)
    history = wiring.training_history(settings)

    with err.status("training") as status, wiring.replayer(settings, saying(status)) as replayer:
        trained = train_and_register(
            history,
            features,
            wiring.registry(settings),
            wiring.training_settings(settings),
            label_delay_days=settings.training.label_delay_days,
            train_days=settings.training.train_days,
            as_of=known_at,
            gate=wiring.gate_settings(settings),
            promote=promote.value,
            once=once,
            reasons=reason_book(features),
            replayer=replayer,
            say=saying(status),
        )
    if as_json:
        print_json({**trained.to_dict(), "reused": False})
        return
    out.print(strategies_table(trained.result.strategies))
    out.print(metrics_table(trained.result.test, f"version {trained.version} on its test window"))
    if trained.promotion is None:
        out.print(f"version {trained.version} is registered, and not judged yet", highlight=False)
        return
    out.print(gate_table(trained.promotion.verdict))
    out.print(trained.promotion.record.words(trained.version), highlight=False, markup=False)


def _made_before(settings: Settings, key: str, promote: PromoteChoice) -> int | None:
    """The version of an earlier try under the key; what that try did not get to is done now."""

    def finish(version: int) -> None:
        if promote is PromoteChoice.later:
            return
        with err.status("judging") as status, wiring.replayer(settings, saying(status)) as replayer:
            wiring.judge(settings, replayer, saying(status)).judge(version, promote.value)

    return version_of(key, wiring.registry(settings), finish)


def _print_made_before(settings: Settings, version: int, *, as_json: bool) -> None:
    registry = wiring.registry(settings)
    record = VerdictRecord.of_tags(registry.find(version).tags)
    if as_json:
        gate = json.loads(registry.document(version, "gate.json")) if record else None
        print_json({**outcome(version, registry.get(version), record, gate), "reused": True})
        return
    out.print(f"version {version} was trained before under this key", highlight=False)
    if record:
        out.print(record.words(version), highlight=False, markup=False)


def gate_table(verdict: GateVerdict) -> Table:
    """A check of the gate a row."""
    table = Table("check", "passed", "in words", title=f"gate, against {verdict.opponent}", title_justify="left")
    for check in verdict.checks:
        table.add_row(check.name, "yes" if check.passed else "no", escape(check.sentence))
    return table


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
    """A metric a row; money in major units of the base currency."""
    table = Table("figure", "value", title=title, title_justify="left")
    for name, value in metrics.to_dict().items():
        if name in _MONEY and value is not None:
            table.add_row(f"{name} (base currency)", major_units(value))
        elif isinstance(value, float):
            table.add_row(name, f"{value:.4f}")
        elif isinstance(value, int):
            table.add_row(name, f"{value:,}")
    return table
