"""Hyperparameters as frozen dataclasses: changing them by name, with a clear error for what is not one."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Final, Self, TypeVar

from paywarden.errors import ConfigurationError

DEVICES: Final = ("cpu", "cuda")


T = TypeVar("T", bound="Hyperparameters")


@dataclass(frozen=True)
class Hyperparameters:
    """A frozen dataclass of numbers and words, with the kind of booster that they belong to."""

    kind: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """Kind and hyperparameters as a JSON document."""
        return {"kind": self.kind, **asdict(self)}

    def with_parameters(self, **hyperparameters: float | str) -> Self:
        """The same with other values.

        Raises ConfigurationError for an unknown name, or a value that is no number, no integer or no text where one is
        due.
        """
        known = {field.name for field in fields(self)}
        unknown = sorted(set(hyperparameters) - known)
        if unknown:
            raise ConfigurationError(
                f"The booster {self.kind} has no hyperparameter {', '.join(unknown)}; it has "
                f"{', '.join(sorted(known))}."
            )
        values = {name: _of_type(name, value, type(getattr(self, name))) for name, value in hyperparameters.items()}
        return replace(self, **values)


def require_device(trainer_kind: str, device: str) -> None:
    """Nothing, where the word is a device's. Raises ConfigurationError for another."""
    if device not in DEVICES:
        raise ConfigurationError(f"The booster {trainer_kind} runs on {' or '.join(DEVICES)}, not on {device!r}.")


def no_gpu(trainer_kind: str, reason: str) -> ConfigurationError:
    """The error to raise where `cuda` was asked for in vain."""
    return ConfigurationError(
        f"device=cuda was asked for, but {trainer_kind} cannot use a GPU here: {reason} Set the device to cpu, or run "
        "where `nvidia-smi` shows a GPU."
    )


def _of_type(name: str, value: float | str, kind: type) -> float | str:
    if kind is str and isinstance(value, str):
        return value
    if kind in (int, float) and isinstance(value, (int, float)) and not isinstance(value, bool):
        number = kind(value) if math.isfinite(value) else math.nan
        if number == value:
            return number
    words = {int: "an integer", float: "a number", str: "a text"}
    raise ConfigurationError(f"The hyperparameter {name} must be {words[kind]}, got {value!r}.")
