"""Windows in time: train, wait for the labels, validate, wait, test. Boundaries are half-open epoch milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import DataError

DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_FEWEST_DAYS: Final = 3  # one each to train, validate and test
_FEWEST_HOURS: Final = 24  # some fourteen to train and five each to validate and test
_LARGEST_SHARE: Final = 5  # validation and test each take at most a fifth of the usable days
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


@dataclass(frozen=True)
class TimeSplit:
    """Train, validation and test windows, with a gap of at least the label delay after training.

    Each window is judged by the labels that a team would have held when the next one began: `train_cutoff` is the start
    of validation, `validation_cutoff` the start of test. Raises DataError for windows that are empty, overlap, or
    leave less than the label delay between training and validation.
    """

    train: Window
    validation: Window
    test: Window
    label_delay_ms: int

    def __post_init__(self) -> None:
        windows = {"train": self.train, "validation": self.validation, "test": self.test}
        for name, window in windows.items():
            if window.start >= window.end:
                raise DataError(f"The {name} window {_words(window)} is empty. Give an end after its start.")
        if self.label_delay_ms < 0:
            raise DataError(f"The label delay is {self.label_delay_ms} ms. Give 0 or more.")
        if self.train.end + self.label_delay_ms > self.validation.start:
            raise DataError(
                f"Training {_words(self.train)} must end the label delay of {self.label_delay_ms / DAY_MS:g} days "
                f"before validation {_words(self.validation)}. Move one of them."
            )
        if self.validation.end > self.test.start:
            raise DataError(
                f"Validation {_words(self.validation)} overlaps test {_words(self.test)}. Move one of them."
            )

    @property
    def train_cutoff(self) -> int:
        """Labels received after this time (epoch ms) are unknown to training."""
        return self.validation.start

    @property
    def validation_cutoff(self) -> int:
        """Labels received after this time (epoch ms) are unknown to early stopping, calibration and thresholds."""
        return self.test.start

    def to_dict(self) -> dict[str, Any]:
        """The split as a JSON document (epoch ms)."""
        windows = {"train": self.train, "validation": self.validation, "test": self.test}
        bounds = {name: [window.start, window.end] for name, window in windows.items()}
        return {**bounds, "label_delay_ms": self.label_delay_ms}


def choose_split(start: int, as_of: int, label_delay_ms: int, train_days: int | None = None) -> TimeSplit:
    """The default split of a span whose first transaction occurred at `start`, seen at `as_of` (epoch ms).

    Test ends at the last UTC midnight at which its labels are mature by `as_of`; test and validation take a fifth of
    the usable days each, one week at most, a gap of the label delay after training and after validation; training
    takes the rest, or its last `train_days`. With fewer than three usable days, windows begin and end at full hours
    instead, and a day is enough. Raises DataError saying how much is needed and how much there is.
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


def _split(
    start: int, test_end: int, held_out: int, delay: int, label_delay_ms: int, train_days: int | None
) -> TimeSplit:
    test = Window(test_end - held_out, test_end)
    validation = Window(test.start - delay - held_out, test.start - delay)
    train_end = validation.start - delay
    train_start = start if train_days is None else max(start, train_end - train_days * DAY_MS)
    return TimeSplit(Window(train_start, train_end), validation, test, label_delay_ms)


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%MZ")


def _words(window: Window) -> str:
    return f"{_iso(window.start)} to {_iso(window.end)}"
