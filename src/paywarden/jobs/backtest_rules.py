"""What one list or rule of a policy comes to in a back-test: where it fired, and what it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paywarden.evaluation.costs import CostMatrix
from paywarden.jobs.backtest_outcome import Outcome, changes_between, outcome_of
from paywarden.scoring.rules.ruling import Ruling, settle


@dataclass(frozen=True)
class RuleOutcome:
    """One list or rule. Amounts are minor units of the base currency.

    It ``fired`` on so many payments: ``frauds`` of ``fraud_amount``, and ``genuine`` ones, that no label calls fraud,
    of ``genuine_amount``. ``decided`` counts those on which it stood first among what fired and its decision holds,
    which the model may have shared; a shadow one decides none. ``effect`` is the policy with it minus the policy
    without it, and ``changes`` counts the decisions that follow from it; of a shadow one both say what would change if
    it were in force.
    """

    shadow: bool
    fired: int
    frauds: int
    fraud_amount: int
    genuine: int
    genuine_amount: int
    decided: int
    effect: Outcome
    changes: Mapping[str, int]


def rule_outcomes(
    ruling: Ruling, fraud: NDArray[np.bool_], amount: NDArray[np.int64], costs: CostMatrix
) -> dict[str, RuleOutcome]:
    """Every list and rule of the ruling's book by name, on its N payments: ``fraud`` bool [N], ``amount`` int64 [N]."""
    found = {}
    for item in ruling.book.items:
        named = ruling.shadow if item.shadow else ruling.fired
        rows = np.array([row for row, names in enumerate(named) if item.name in names], dtype=np.int64)
        # Where it did not fire, it changes nothing.
        bad, paid = fraud[rows], amount[rows]
        live = [[name for name in ruling.fired[row] if name != item.name] for row in rows]
        without = _settled(ruling, rows, live)
        with_it = _settled(ruling, rows, [[*names, item.name] for names in live])
        first = (row for row in rows if ruling.fired[row][:1] == [item.name])
        found[item.name] = RuleOutcome(
            shadow=item.shadow,
            fired=len(rows),
            frauds=int(bad.sum()),
            fraud_amount=int(paid[bad].sum()),
            genuine=int((~bad).sum()),
            genuine_amount=int(paid[~bad].sum()),
            decided=sum(int(ruling.decision[row]) == item.code for row in first),
            effect=outcome_of(with_it, bad, paid, costs) - outcome_of(without, bad, paid, costs),
            changes=changes_between(without, with_it),
        )
    return found


def _settled(ruling: Ruling, rows: NDArray[np.int64], fired: list[list[str]]) -> NDArray[np.int8]:
    """The decisions on some payments, had these lists and rules fired."""
    book, model = ruling.book, ruling.without[rows].tolist()
    found = (
        settle(code, [x for x in book.lists if x.name in names], [r for r in book.rules if r.name in names])[0]
        for code, names in zip(model, fired, strict=True)
    )
    return np.fromiter(found, np.int8, len(rows))
