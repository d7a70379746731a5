import cel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paywarden.scoring.rules.expression import Expression, readable
from paywarden.scoring.rules.screen import ANYWHERE, screen_of

NAN = float("nan")
COLUMNS = {
    "transaction.amount": np.array([0, 5, 11, 2**53, 2**53 + 1], np.int64),
    "transaction.channel": np.array(["", "a", "b && c", "in", "it's"], object),
    "features.x": np.array([NAN, 5.0, 11.0, -0.5, np.inf]),
    "score": np.array([0.0, 0.5, 1.0, 0.25, NAN]),
}


class Some:
    """Five rows."""

    rows = 5

    def column(self, name):
        return COLUMNS.get(name)


def row(n):
    whole = {"transaction": {}, "features": {}}
    for name, column in COLUMNS.items():
        whose, _, field = name.partition(".")
        if field:
            whole[whose][field] = column[n : n + 1].tolist()[0]
        else:
            whole[whose] = column[n : n + 1].tolist()[0]
    return readable(whole)


def found(source):
    return screen_of(source).may_hold(Some()).tolist()


def held(source):
    return [Expression(source).holds(row(n)) for n in range(5)]


@pytest.mark.parametrize(
    "source",
    [
        "transaction.amount > 5",
        "5 < transaction.amount && features.x >= 11.0",
        "transaction.channel == 'a' || (transaction.amount == 0)",
        'transaction.channel != ""',
        "transaction.channel in ['a', 'in']",
        "features . x in [5.0, 11.0]",
        "transaction.amount in [5, 11]",
        "score >= 0.5 && (features.x < 6 || transaction.amount < -1)",
        "transaction.channel == 'b && c'",
        'transaction.channel == "it\'s"',
        "features.absent > 1.0 || transaction.amount == 5",
        "features.x > 1e1",
    ],
)
def test_comparisons_are_told_for_whole_columns_as_cel_tells_them(source):
    assert found(source) == held(source)
    assert any(found(source))
    assert not all(found(source))


@pytest.mark.parametrize(
    "source",
    [
        "transaction.amount + 1 > 5",
        "!(transaction.amount > 5)",
        "transaction.amount > 5 ? score > 2.0 : true",
        "transaction.amount > 5 // && score > 2.0",
        "transaction.channel == 'a\\'b' || score > 2.0",
        "transaction.channel.startsWith('a')",
        "[2.0].exists(score, score > 1.0)",
        "transaction.amount == 5u",
        "transaction.amount == 0x5",
        "transaction.channel < 'b'",
        "transaction.channel in [transaction.channel]",
        "transaction.amount > 9007199254740993",
        "transaction.channel == 5",
        "true",
    ],
)
def test_of_what_is_not_understood_every_row_is_left_to_cel(source):
    cel.compile(source)
    assert all(found(source))


def test_what_is_understood_of_a_conjunction_narrows_it():
    assert found("transaction.channel.size() > 0 && transaction.amount > 5") == [False, False, True, True, True]
    assert screen_of("score + 1.0 > 5.0") == ANYWHERE


READS = ["transaction.amount", "transaction.channel", "features.x", "features.gone", "score"]
LITERALS = ["0", "5", "-1", "11.0", "0.5", "5e0", "9007199254740992", "9007199254740993", "'a'", '"in"', "''", "true"]
atoms = st.one_of(
    st.builds("{} {} {}".format, st.sampled_from(READS), st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
              st.sampled_from(LITERALS + READS)),
    st.builds("{} {} {}".format, st.sampled_from(LITERALS), st.sampled_from(["==", "<", ">="]), st.sampled_from(READS)),
    st.builds("{} in [{}]".format, st.sampled_from(READS), st.lists(st.sampled_from(LITERALS)).map(", ".join)),
    st.sampled_from(["true", "false", "transaction.channel.startsWith('a')", "transaction.amount - 5 > 0"]),
)  # fmt: skip
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("{} && {}".format, inner, inner),
        st.builds("{} || {}".format, inner, inner),
        st.builds("({})".format, inner),
        st.builds("!({})".format, inner),
        st.builds("({}) ? ({}) : ({})".format, inner, inner, inner),
        st.builds("[{}].exists(v, v)".format, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(conditions)
def test_no_row_is_passed_over_on_which_a_condition_holds(source):
    may, does = found(source), held(source)
    assert all(m or not d for m, d in zip(may, does, strict=True)), (source, may, does)
