"""Windows in time: train, wait for the labels, validate twice, wait, test. Half-open, in epoch milliseconds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import DataError

DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_FEWEST_DAYS: Final = 4  # one each to train, select, calibrate and test
_FEWEST_HOURS: Final = 24  # twelve to train and four each to select, calibrate and test
_LARGEST_SHARE: Final = 6  # selection, calibration and test each take at most a sixth of the usable days
_LARGEST_WINDOW_DAYS: Final = 7  # a week holds every weekday once, as in the Fraud Detection Handbook


@dataclass(frozen=True)
class Window:
    """The times from `start` up to but not including `end` (epoch ms)."""

    start: int
    end: int

    @property
    def days(self) -> float:
        """The length in days."""
        return (self.end - self.start) / DAY_MS

    def contains(self, occurred_at: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each time (epoch ms int64 [N]) lies in the window: bool [N]."""
        return (occurred_at >= self.start) & (occurred_at < self.end)

    def earlier(self, by_ms: int) -> Window:
        """The window of equal length that begins so many milliseconds earlier."""
        return Window(self.start - by_ms, self.end - by_ms)


@dataclass(frozen=True)
class TimeSplit:
    """Train, selection, calibration and test windows, with a gap of at least the label delay after training.

    `selection` (validation A) decides rounds, hyperparameters and the imbalance strategy; `calibration` (validation B)
    the calibrator and the thresholds, so that neither is fitted to what chose the model. Each window is judged by the
    labels that a team would have held when its result was needed: `train_cutoff` is the start of selection,
    `validation_cutoff` the start of test; rows that are immature then take no part, so a gap of the label delay before
    test keeps all of calibration. Raises DataError for windows that are empty, overlap, or leave less than the label
    delay between training and selection.
    """

    train: Window
    selection: Window
    calibration: Window
    test: Window
    label_delay_ms: int

    def __post_init__(self) -> None:
        windows = list(self.windows.items())
        for name, window in windows:
            if window.start >= window.end:
                raise DataError(f"The {name} window {_words(window)} is empty. Give an end after its start.")
        if self.label_delay_ms < 0:
            raise DataError(f"The label delay is {self.label_delay_ms} ms. Give 0 or more.")
        if self.train.end + self.label_delay_ms > self.selection.start:
            raise DataError(
                f"Training {_words(self.train)} must end the label delay of {self.label_delay_ms / DAY_MS:g} days "
                f"before selection {_words(self.selection)}. Move one of them."
            )
        for (name, window), (later_name, later) in itertools.pairwise(windows[1:]):
            if window.end > later.start:
                raise DataError(
                    f"The {name} window {_words(window)} overlaps {later_name} {_words(later)}. Move one of them."
                )

    @property
    def windows(self) -> dict[str, Window]:
        """The four windows by name, in order of time."""
        return {
            "train": self.train,
            "selection": self.selection,
            "calibration": self.calibration,
            "test": self.test,
        }

    @property
    def validation(self) -> Window:
        """Selection and calibration together."""
        return Window(self.selection.start, self.calibration.end)

    @property
    def train_cutoff(self) -> int:
        """Labels received after this time (epoch ms) are unknown to training."""
        return self.selection.start

    @property
    def validation_cutoff(self) -> int:
        """Labels received after this time (epoch ms) are unknown to every choice: rounds, calibration, thresholds."""
        return self.test.start

    def to_dict(self) -> dict[str, Any]:
        """The split as a JSON document (epoch ms)."""
        bounds = {name: [window.start, window.end] for name, window in self.windows.items()}
        return {**bounds, "label_delay_ms": self.label_delay_ms}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> TimeSplit:
        """The split of a document that :meth:`to_dict` made."""
        windows = {name: Window(*document[name]) for name in ("train", "selection", "calibration", "test")}
        return cls(**windows, label_delay_ms=document["label_delay_ms"])


def choose_split(start: int, as_of: int, label_delay_ms: int, train_days: int | None = None) -> TimeSplit:
    """The default split of a span whose first transaction occurred at `start`, seen at `as_of` (epoch ms).

    Test ends at the last UTC midnight at which its labels are mature by `as_of`; selection, calibration and test take
    a sixth of the usable days each, one week at most, a gap of the label delay after training and before test;
    training takes the rest, or its last `train_days`. With fewer than four usable days, windows begin and end at full
    hours instead, and a day is enough. Raises DataError saying how much is needed and how much there is.
    """
    for unit, fewest in ((DAY_MS, _FEWEST_DAYS), (_HOUR_MS, _FEWEST_HOURS)):
        delay = -(-label_delay_ms // unit) * unit  # whole units, so that every window begins at midnight, or an hour
        test_end = (as_of - label_delay_ms) // unit * unit
        usable = (test_end - start - 2 * delay) / unit
        if usable >= fewest:
            held_out = min(max(int(usable) // _LARGEST_SHARE, 1) * unit, _LARGEST_WINDOW_DAYS * DAY_MS)
            return _split(start, test_end, held_out, delay, label_delay_ms, train_days)
    raise DataError(
        f"The transactions from {_iso(start)} to {_iso(as_of)} span {(as_of - start) / DAY_MS:.1f} days. A split needs "
        f"{(3 * label_delay_ms) / DAY_MS + 1:g}: a day to train, validate and test, and three times the label delay of "
        f"{label_delay_ms / DAY_MS:g} days. Bring more history, or lower the label delay."
    )


def prequential(split: TimeSplit, folds: int, start: int, step_ms: int | None = None) -> tuple[TimeSplit, ...]:
    """So many splits, oldest first, the last of them `split`: each is moved back in time from the one after it.

    By `step_ms`, by default the length of test, so that the test windows follow one another. Training keeps its length
    as far as history reaches back to `start` (epoch ms, of the first transaction), and grows fold by fold otherwise.
    Source: A. P. Dawid, Statistical theory: the prequential approach (1984); Fraud Detection Handbook, chapter 5.
    Raises DataError where the history is too short for so many folds.
    """
    step = split.test.end - split.test.start if step_ms is None else step_ms
    if folds < 1 or step < 1:
        raise DataError(f"{folds} folds that are {step} ms apart cannot be made. Give 1 or more of either.")
    reach = split.train.end - (folds - 1) * step - start
    if reach <= 0:
        raise DataError(
            f"For {folds} folds that are {step / DAY_MS:g} days apart, {-reach / DAY_MS:.1f} days of history are "
            "missing before the first of them could train. Ask for fewer folds, or bring more history."
        )
    return tuple(_moved(split, fold * step, start) for fold in reversed(range(folds)))


def _moved(split: TimeSplit, by_ms: int, start: int) -> TimeSplit:
    moved = {name: window.earlier(by_ms) for name, window in split.windows.items()}
    moved["train"] = Window(max(start, moved["train"].start), moved["train"].end)
    return TimeSplit(**moved, label_delay_ms=split.label_delay_ms)


def _split(
    start: int, test_end: int, held_out: int, delay: int, label_delay_ms: int, train_days: int | None
) -> TimeSplit:
    test = Window(test_end - held_out, test_end)
    calibration = Window(test.start - delay - held_out, test.start - delay)
    selection = calibration.earlier(held_out)
    train_end = selection.start - delay
    train_start = start if train_days is None else max(start, train_end - train_days * DAY_MS)
    return TimeSplit(Window(train_start, train_end), selection, calibration, test, label_delay_ms)


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _words(window: Window) -> str:
    return f"{_iso(window.start)} to {_iso(window.end)}"
