"""What one list or rule of a policy comes to in a back-test: where it fired, and what it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paywarden.evaluation.costs import CostMatrix
from paywarden.jobs.backtest_outcome import Outcome, changes_between, outcome_of
from paywarden.scoring.rules.rule_book import NamedList, Rule, RuleBook
from paywarden.scoring.rules.ruling import Ruling, settle


@dataclass(frozen=True)
class RuleOutcome:
    """One list or rule. Amounts are minor units of the base currency.

    It ``fired`` on so many payments: ``frauds`` of ``fraud_amount``, and ``genuine`` ones, that no label calls fraud,
    of ``genuine_amount``. ``decided`` counts the payments on which it stood first among what fired; a shadow one
    decides none. ``effect`` is the policy with it minus the policy without it, and ``changes`` counts the decisions
    that follow from it; of a shadow one both say what would change if it were in force.
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
    book: RuleBook,
    ruling: Ruling,
    model: NDArray[np.int8],
    fraud: NDArray[np.bool_],
    amount: NDArray[np.int64],
    costs: CostMatrix,
) -> dict[str, RuleOutcome]:
    """Every list and rule of a book by name, on N payments of which ``model`` int8 [N] are the model's decisions."""
    return {item.name: _outcome(item, book, ruling, model, fraud, amount, costs) for item in book.items}


def _outcome(
    item: NamedList | Rule,
    book: RuleBook,
    ruling: Ruling,
    model: NDArray[np.int8],
    fraud: NDArray[np.bool_],
    amount: NDArray[np.int64],
    costs: CostMatrix,
) -> RuleOutcome:
    named = ruling.shadow if item.shadow else ruling.fired
    rows = np.array([row for row, names in enumerate(named) if item.name in names], dtype=np.int64)
    # Where it did not fire, it changes nothing.
    model, fraud, amount = model[rows], fraud[rows], amount[rows]
    live = [[name for name in ruling.fired[row] if name != item.name] for row in rows]
    without = _settled(book, model, live)
    with_it = _settled(book, model, [[*names, item.name] for names in live])
    return RuleOutcome(
        shadow=item.shadow,
        fired=len(rows),
        frauds=int(fraud.sum()),
        fraud_amount=int(amount[fraud].sum()),
        genuine=int((~fraud).sum()),
        genuine_amount=int(amount[~fraud].sum()),
        decided=sum(names[:1] == [item.name] for names in ruling.fired),
        effect=outcome_of(with_it, fraud, amount, costs) - outcome_of(without, fraud, amount, costs),
        changes=changes_between(without, with_it),
    )


def _settled(book: RuleBook, model: NDArray[np.int8], fired: list[list[str]]) -> NDArray[np.int8]:
    """The decisions where these lists and rules are the ones that fired."""
    found = (
        settle(code, [x for x in book.lists if x.name in names], [r for r in book.rules if r.name in names])[0]
        for code, names in zip(model.tolist(), fired, strict=True)
    )
    return np.fromiter(found, np.int8, len(model))
