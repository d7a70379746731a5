"""Which columns are the amount, the label, the id, the currency, the country and the category of a payment."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow.compute as pc

from paywarden.events.guessing.guess import Guess, block, one_line, quoted, scalar
from paywarden.events.guessing.profile import ID_WORDS, Column
from paywarden.events.value_readers import labels

MOST_CATEGORIES = 2_000
SHORT_DAYS = 21  # a week to train, one for labels to come, one to test

_OF_PAYMENTS = ("transaction", "trans", "tx", "txn", "payment", "order", "event", "record")
_FRAUD = ("1", "true", "yes", "y", "fraud", "fraudulent", "chargeback", "bad")
_LEGITIMATE = (
    "0",
    "false",
    "no",
    "n",
    "legit",
    "legitimate",
    "genuine",
    "normal",
    "ok",
    "good",
    "non-fraud",
    "not fraud",
)


def guess_amount(columns: Sequence[Column]) -> Guess | None:
    """The amount and its unit."""
    rated = [(score, column) for column in columns if (score := _amount_score(column)) > 0]
    if not rated:
        return None
    column = max(rated, key=lambda pair: pair[0])[1]
    minor = column.has("cents", "cent", "minor", "pence") and column.is_whole
    why = [f"{one_line(column.name)}: numbers from {column.numbers.min():g} to {column.numbers.max():g}"]
    if column.is_whole and not minor:
        why.append("All are whole: if they are cents, write unit: minor")
    negative = float((column.numbers < 0).mean())
    if negative:
        why.append(f"{negative:.1%} are negative, and will be refused")
    unit = "minor" if minor else "major"
    return Guess("amount", (block(column=scalar(column.name), unit=unit),), (column.name,), tuple(why))


def _amount_score(column: Column) -> int:
    if not column.is_number or column.has("count", "num", "id", "code", "lat", "long"):
        return 0
    score = 100 * column.has("amount", "amt") + 60 * column.has("value", "price", "total", "sum", "cost", "amountcents")
    derived = column.has(
        "balance", "limit", "old", "new", "avg", "average", "mean", "max", "std", "ratio", "fee", "tip", "tax"
    )
    return score - 50 * derived - len(column.words)


def guess_label(columns: Sequence[Column], span_days: float | None) -> Guess | None:
    """The column that says which payments were frauds, its values, and the column of the kind of fraud.

    Data that span few days get no delay: no label would be known within them.
    """
    rated = [(score, column) for column in columns if (score := _label_score(column)) > 0]
    if not rated:
        return None
    column = max(rated, key=lambda pair: pair[0])[1]
    fraud, legitimate = _label_values(column)
    short = span_days is not None and span_days < SHORT_DAYS
    lines = [f"  column: {scalar(column.name)}", "  source: chargeback", f"  delay: {'0s' if short else '7d'}"]
    frauds = pc.sum(labels(column.values, fraud, legitimate)).as_py() or 0
    why = [
        f"{one_line(column.name)}: {frauds:,} frauds in the {column.known:,} rows looked at",
        f"No delay, for the data span {span_days:.1f} days: with one, no label would be known within them"
        if short
        else "How late frauds became known is not known: a week is assumed",
    ]
    if not set(fraud) <= {"1", "true"} or not set(legitimate) <= {"0", "false"}:
        lines.append(f"  fraud_values: [{', '.join(map(quoted, fraud))}]")
        lines.append(f"  legitimate_values: [{', '.join(map(quoted, legitimate))}]")
    used = [column.name]
    for kind in columns:
        if kind is not column and kind.has("fraud") and kind.has("scenario", "type", "pattern", "kind") and kind.few:
            lines.append(f"  pattern: {scalar(kind.name)}")
            used.append(kind.name)
            break
    return Guess("label", ("", *lines), tuple(used), tuple(why))


def _label_score(column: Column) -> int:
    if not 1 <= column.distinct <= 2 or _label_values(column) == ((), ()):
        return 0
    score = 100 * column.has("fraud", "fraudulent", "chargeback") + 60 * column.has("class", "label", "target", "y")
    return score - 100 * column.has("flagged", "score", "type", "scenario", "reason", "predicted", "prediction", "rule")


def _label_values(column: Column) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Values of frauds and of the others; of two unknown ones the rarer is taken for fraud."""
    values = tuple(v.removesuffix(".0") for v in column.few)
    fraud = tuple(v for v in values if v in _FRAUD)
    legitimate = tuple(v for v in values if v in _LEGITIMATE)
    if len(fraud) + len(legitimate) == len(values):
        return fraud or ("1",), legitimate or ("0",)
    unknown = [v for v in values if v not in fraud + legitimate]
    if len(values) != 2:
        return (), ()
    if fraud:
        return fraud, tuple(unknown)
    return (tuple(unknown), legitimate) if legitimate else ((values[1],), (values[0],))


def guess_id(columns: Sequence[Column]) -> Guess:
    """The transaction's id, or the number of the row."""
    for column in columns:
        words = set(column.words)
        is_named = words <= {*_OF_PAYMENTS, *ID_WORDS} and (words & set(ID_WORDS)) and not column.has("name")
        if is_named and column.is_unique and column.is_id and not column.holds_card_numbers:
            return Guess.of("transaction_id", column, "every value is different")
    why = "No column of ids was found: the number of the row it is, the same whenever this file is read"
    return Guess("transaction_id", (block(row_number="true"),), (), (why,))


def guess_currency(columns: Sequence[Column]) -> Guess:
    """The currency: a column, or one for all rows."""
    for column in columns:
        if column.has("currency", "ccy", "curr", "cur") and column.fits("^[A-Z]{3}$"):
            name, code = one_line(column.name), column.texts[0].as_py()
            if column.distinct == 1:
                return Guess("currency", (block(value=scalar(code)),), (column.name,), (f"{name}: always {code}",))
            why = f"{name}: {column.distinct} currencies. Each needs a rate in events.rates of the settings;"
            remedy = "if all amounts are in one currency, write {value: EUR} or the like"
            return Guess("currency", (scalar(column.name),), (column.name,), (why, remedy))
    why = "No column of currencies was found. EUR is ASSUMED: correct it"
    return Guess("currency", (block(value="EUR"),), why=(why,))


def guess_country(columns: Sequence[Column]) -> Guess | None:
    """Two-letter codes of countries."""
    for column in columns:
        if column.has("country") and column.fits("^[A-Z]{2}$"):
            return Guess.of("country", column, f"{column.distinct} codes")
    return None


def guess_category(columns: Sequence[Column]) -> Guess | None:
    """What kind of merchant it is."""
    for column in columns:
        if column.has("category", "mcc", "industry", "sector") and column.is_id and column.distinct <= MOST_CATEGORIES:
            return Guess.of("category", column, f"{column.distinct} values")
    return None
