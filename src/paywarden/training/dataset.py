"""What a model is trained on: vectors beside their transactions, and labels with their time of arrival."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.errors import DataError
from paywarden.evaluation.labels import Verdicts, fraud_known_at, verdicts_at
from paywarden.evaluation.maturity import LabelMaturity, MaturityCounts, count_maturity, label_maturity
from paywarden.evaluation.segments import segments_of
from paywarden.evaluation.splits import Window

_KEPT_VERDICTS: Final = 4
"""A run asks again and again what was known at its three cut-offs; each answer takes some twelve bytes a row."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """N transactions with their vectors, and every label received by `as_of` (epoch ms); arrays are aligned.

    `features` float32 [N, F] in the order of `feature_names`, NaN meaning absent. `occurred_at` int64 [N] epoch ms.
    `card` int64 [N]: a code per card token, -1 for none. `amount` int64 [N]: minor units of the base currency.
    `labels` has the canonical label columns. `censored` bool [N]: declined, so that silence says nothing. `weight`
    float32 [N]: for how many transactions a row stands, 1 except for what was let through at random (1 ÷ propensity).
    `segments`: by the name of a segmentation the label of each row, object [N] (see `segments_of`).
    """

    features: NDArray[np.float32] = field(repr=False)
    feature_names: tuple[str, ...]
    contract_digest: str
    state_layout_digest: str
    transaction_ids: pa.ChunkedArray = field(repr=False)
    occurred_at: NDArray[np.int64] = field(repr=False)
    card: NDArray[np.int64] = field(repr=False)
    amount: NDArray[np.int64] = field(repr=False)
    censored: NDArray[np.bool_] = field(repr=False)
    weight: NDArray[np.float32] = field(repr=False)
    labels: pa.Table = field(repr=False)
    as_of: int
    label_delay_ms: int
    segments: Mapping[str, NDArray[np.object_]] = field(default_factory=dict, repr=False)
    _judged: dict[int, Verdicts] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.features)

    def verdicts_at(self, as_of: int) -> Verdicts:
        """What was known of every transaction at `as_of` (epoch ms); labels received later have no influence."""
        if as_of not in self._judged:
            if len(self._judged) == _KEPT_VERDICTS:
                self._judged.pop(next(iter(self._judged)))
            self._judged[as_of] = verdicts_at(
                self.transaction_ids, self.occurred_at, self.labels, as_of, self.label_delay_ms, self.censored
            )
        return self._judged[as_of]

    @property
    def verdicts(self) -> Verdicts:
        """What is known at the data set's own `as_of`."""
        return self.verdicts_at(self.as_of)

    @property
    def target(self) -> NDArray[np.bool_]:
        """Fraud or not, bool [N], by the labels received by `as_of`; believe it only where `mature`."""
        return self.verdicts.fraud

    @property
    def mature(self) -> NDArray[np.bool_]:
        """Whether the label delay has passed by `as_of`, bool [N]."""
        return self.verdicts.mature

    @property
    def pattern(self) -> NDArray[np.object_]:
        """The fraud pattern's name where a label gives one, else None: object [N]."""
        return self.verdicts.pattern

    @cached_property
    def maturity(self) -> LabelMaturity:
        """Delays of labels by source, and how many rows are mature, immature and censored at `as_of`."""
        return label_maturity(
            self.transaction_ids, self.occurred_at, self.labels, self.as_of, self.label_delay_ms, self.censored
        )

    def maturity_of(self, window: Window, cutoff: int) -> MaturityCounts:
        """How many rows of a window are mature, immature and censored at its cut-off (epoch ms)."""
        return count_maturity(self.verdicts_at(cutoff), self.censored, window.contains(self.occurred_at))

    @cached_property
    def fraud_known_at(self) -> NDArray[np.int64]:
        """When each transaction's first fraud label arrived, epoch ms int64 [N]; the largest int64 for never."""
        return fraud_known_at(self.transaction_ids, self.labels)


def build_dataset(
    transactions: pa.Table,
    labels: pa.Table,
    features: NDArray[np.float32],
    *,
    feature_names: tuple[str, ...],
    contract_digest: str,
    state_layout_digest: str,
    as_of: int,
    label_delay_ms: int,
    keep: NDArray[np.bool_] | None = None,
    declined: NDArray[np.bool_] | None = None,
    weight: NDArray[np.float32] | None = None,
    card_entity: str | None = None,
) -> Dataset:
    """The data set of a replay: canonical transactions (N rows), canonical labels, vectors aligned with the former.

    `keep` bool [N] leaves rows out (recognised duplicates); `declined` bool [N] marks what was declined; `weight`
    float32 [N] says for how many transactions each stands, by default one; `card_entity` is the entity that stands for
    the card in card metrics, by default the first of the table. Labels received after `as_of` (epoch ms) are dropped.
    Raises DataError where shapes differ or no row is left.
    """
    if features.shape != (transactions.num_rows, len(feature_names)) or features.dtype != np.float32:
        raise DataError(
            f"{transactions.num_rows} transactions and {len(feature_names)} feature names need a float32 matrix of "
            f"that shape, got {features.dtype} {list(features.shape)}. Replay the transactions again."
        )
    censored = np.zeros(len(features), dtype=bool) if declined is None else declined
    weight = np.ones(len(features), dtype=np.float32) if weight is None else weight
    if keep is not None:
        transactions, features = transactions.filter(pa.array(keep)), features[keep]
        censored, weight = censored[keep], weight[keep]
    if not transactions.num_rows:
        raise DataError("There are no transactions to train on. Check the path and the span.")
    card = _card_codes(transactions, card_entity)
    return Dataset(
        features=features,
        feature_names=feature_names,
        contract_digest=contract_digest,
        state_layout_digest=state_layout_digest,
        transaction_ids=transactions["transaction_id"],
        occurred_at=transactions["occurred_at"].to_numpy().astype(np.int64),
        card=card,
        amount=transactions["amount_base"].to_numpy().astype(np.int64),
        censored=censored,
        labels=labels.filter(pc.less_equal(labels["received_at"], as_of)),
        as_of=as_of,
        label_delay_ms=label_delay_ms,
        weight=weight,
        segments=segments_of(transactions, card),
    )


def _card_codes(transactions: pa.Table, card_entity: str | None) -> NDArray[np.int64]:
    """A code per token in alphabetical order, so that codes do not depend on the order of the rows; -1 for none."""
    names = [name for name in transactions.column_names if name.startswith("entity_")]
    name = f"entity_{card_entity}" if card_entity is not None else next(iter(names), None)
    if name is None:
        return np.full(transactions.num_rows, -1, dtype=np.int64)
    if name not in names:
        raise DataError(f"The transactions have no column {name!r}; they have {names}. Name one of these entities.")
    tokens = pc.unique(transactions[name]).drop_null().sort()
    return pc.index_in(transactions[name], value_set=tokens).fill_null(-1).to_numpy().astype(np.int64)
