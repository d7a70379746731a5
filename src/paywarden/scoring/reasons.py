"""Why an alert: the features that pushed a score toward fraud most, as codes and words with their values.

Contributions are TreeSHAP values (Lundberg et al., 2020, doi:10.1038/s42256-019-0138-9) in log-odds. Features that
tell the same story share a code: their contributions are summed, and the strongest one speaks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from string import Formatter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import ConfigurationError

_FIELDS: Final = frozenset({"value", "percent", "money", "duration"})
_UNITS: Final = (("days", 86_400.0), ("h", 3_600.0), ("min", 60.0))
_FORMAT: Final = re.compile(r",?(\.\d)?[fg]?")


@dataclass(frozen=True)
class ReasonTemplate:
    """A code and the words for one feature: `ReasonTemplate("CARD_VELOCITY", "{value:.0f} payments in 1 h")`.

    Fields in the text: `{value}` as it is, `{percent}` a share times 100, `{money}` minor units divided by 100; each
    with an optional format such as `:.0f` or `:,.2f`; and `{duration}`, seconds in words. `missing` is said where the
    feature is absent (NaN), `zero` where it is 0, if there is one.
    Raises ConfigurationError for other fields: a template is data and must not reach into objects.
    """

    code: str
    text: str
    missing: str | None = None
    zero: str | None = None

    def __post_init__(self) -> None:
        try:
            for _, name, spec, conversion in Formatter().parse(self.text):
                if name is not None and (name not in _FIELDS or conversion or not _FORMAT.fullmatch(spec or "")):
                    raise ConfigurationError(
                        f"Reason {self.code!r} has the field {{{name}:{spec}}}; use {sorted(_FIELDS)} with a format "
                        "such as ':.0f'. Correct the template."
                    )
        except ValueError as error:
            raise ConfigurationError(f"Reason {self.code!r} has a broken text ({error}): {self.text!r}.") from error

    def say(self, value: float) -> str:
        """The words for one value of the feature, NaN meaning absent."""
        if math.isnan(value):
            return self.missing if self.missing is not None else "not known before"
        if value == 0 and self.zero is not None:
            return self.zero
        return self.text.format(
            value=value, percent=value * 100.0, money=value / 100.0, duration=_Duration(_duration(value))
        )


class _Duration(str):
    """Words, which take no format."""

    __slots__ = ()

    def __format__(self, _: str) -> str:
        return str(self)


def _duration(seconds: float) -> str:
    """Seconds in the unit that one would say."""
    for unit, size in _UNITS:
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} s"


@dataclass(frozen=True)
class Reason:
    """One reason for an alert: a stable code, words for the analyst, and its weight in log-odds toward fraud."""

    code: str
    text: str
    weight: float


@dataclass(frozen=True)
class ReasonBook:
    """The templates by feature name, with a version that is raised whenever a code changes its meaning.

    A feature without a template gets a code made of its name and the text "name = value".
    """

    version: int = 1
    templates: Mapping[str, ReasonTemplate] = field(default_factory=dict)

    def template(self, feature: str) -> ReasonTemplate:
        """The template of a feature, or the plain one made of its name."""
        plain = feature.replace("{", "(").replace("}", ")")
        return self.templates.get(feature) or ReasonTemplate(feature.upper(), f"{plain} = {{value:.4g}}", f"no {plain}")

    def explain_many(
        self,
        feature_names: Sequence[str],
        contributions: NDArray[np.float64],
        values: NDArray[np.float32],
        top: int = 3,
    ) -> list[tuple[Reason, ...]]:
        """For each row at most `top` reasons, strongest first, each with a weight above 0.

        `contributions` is float [n, F] or [n, F+1] (the last column, the bias, is left out); `values` float32 [n, F].
        """
        templates = [self.template(name) for name in feature_names]
        codes = list(dict.fromkeys(template.code for template in templates))
        group = np.array([codes.index(template.code) for template in templates], dtype=np.int64)
        return [
            _reasons_of_row(templates, codes, group, row[: len(templates)], value, top)
            for row, value in zip(contributions, values, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """The book as a JSON document."""
        return {"version": self.version, "templates": {name: asdict(t) for name, t in self.templates.items()}}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ReasonBook:
        """The book that `to_dict` wrote. Raises ConfigurationError where it cannot be read."""
        try:
            templates = {str(name): ReasonTemplate(**entry) for name, entry in document["templates"].items()}
            return cls(version=int(document["version"]), templates=templates)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(f"The reason book cannot be read ({error!r}). Write it again.") from error


def _reasons_of_row(
    templates: Sequence[ReasonTemplate],
    codes: Sequence[str],
    group: NDArray[np.int64],
    contributions: NDArray[np.float64],
    values: NDArray[np.float32],
    top: int,
) -> tuple[Reason, ...]:
    weights = np.bincount(group, weights=contributions, minlength=len(codes))
    strongest = np.argsort(-weights, kind="stable")[:top]
    reasons = []
    for code in strongest[weights[strongest] > 0.0]:
        members = np.flatnonzero(group == code)
        speaker = members[np.argmax(contributions[members])]
        reasons.append(Reason(codes[code], templates[speaker].say(float(values[speaker])), float(weights[code])))
    return tuple(reasons)
