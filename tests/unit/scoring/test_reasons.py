import json
import math

import numpy as np
import pytest

from paywarden.errors import ConfigurationError
from paywarden.scoring.reasons import Reason, ReasonBook, ReasonTemplate

NAMES = ("card_count_1h", "card_count_24h", "amount", "card_age_days")
BOOK = ReasonBook(
    version=4,
    templates={
        "card_count_1h": ReasonTemplate("CARD_VELOCITY", "{value:.0f} payments in 1 h"),
        "card_count_24h": ReasonTemplate("CARD_VELOCITY", "{value:.0f} payments in 24 h"),
        "amount": ReasonTemplate("AMOUNT", "amount {money:,.2f}"),
        "card_age_days": ReasonTemplate("NEW_CARD", "card known for {value:.0f} days", missing="card never seen"),
    },
)


def explain(contributions, values, top=3):
    return BOOK.explain_many(NAMES, np.array([contributions]), np.array([values], dtype=np.float32), top)[0]


def test_the_strongest_comes_first_with_its_value():
    reasons = explain([0.5, 0.0, 2.0, -1.0, -7.0], [5, 9, 1_234_567, 3])
    assert reasons == (Reason("AMOUNT", "amount 12,345.67", 2.0), Reason("CARD_VELOCITY", "5 payments in 1 h", 0.5))


def test_features_of_one_code_are_one_reason_told_by_the_stronger():
    reasons = explain([0.6, 0.9, 1.0, 0.0, 0.0], [5, 12, 100, 3])
    assert [(reason.code, reason.text) for reason in reasons] == [
        ("CARD_VELOCITY", "12 payments in 24 h"),
        ("AMOUNT", "amount 1.00"),
    ]
    assert reasons[0].weight == pytest.approx(1.5)


def test_only_what_points_to_fraud_is_a_reason_and_the_bias_never():
    assert explain([-0.1, 0.0, -2.0, -1.0, 9.0], [1, 1, 1, 1]) == ()


def test_top_limits_the_number():
    assert [reason.code for reason in explain([1.0, 1.0, 3.0, 4.0, 0.0], [1, 1, 1, 1], top=1)] == ["NEW_CARD"]


def test_an_absent_value_has_its_own_words():
    assert explain([0, 0, 0, 1.0, 0], [1, 1, 1, math.nan])[0].text == "card never seen"
    assert ReasonTemplate("A", "{value}").say(math.nan) == "not known before"


def test_a_feature_without_template_speaks_by_its_name():
    (reason,) = ReasonBook().explain_many(["odd{name}"], np.array([[1.0]]), np.array([[2.5]], dtype=np.float32))[0]
    assert (reason.code, reason.text) == ("ODD{NAME}", "odd(name) = 2.5")


@pytest.mark.parametrize(
    "text",
    [
        "{value.__class__}",
        "{value[0]}",
        "{0}",
        "{}",
        "{other}",
        "{value!r}",
        "{value:999999999f}",
        "{value:{value}}",
        "{",
        "}",
    ],
)
def test_a_template_reaches_nothing_but_its_value(text):
    with pytest.raises(ConfigurationError):
        ReasonTemplate("X", text)


def test_a_book_survives_json():
    assert ReasonBook.from_dict(json.loads(json.dumps(BOOK.to_dict()))) == BOOK


@pytest.mark.parametrize("document", [{}, {"version": 1}, {"version": 1, "templates": {"a": {"code": "A"}}}])
def test_a_document_that_is_no_book_is_refused(document):
    with pytest.raises(ConfigurationError):
        ReasonBook.from_dict(document)
