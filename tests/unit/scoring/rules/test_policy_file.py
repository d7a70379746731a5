import pytest

from paywarden.errors import ConfigurationError
from paywarden.events.schema import EventSchema
from paywarden.scoring.rules.policy_file import read_rule_book, rule_book
from paywarden.scoring.rules.rule_book import RuleBook
from paywarden.scoring.rules.ruling import fields_of

FIELDS = fields_of(EventSchema().transaction_schema())
POLICY = """
lists:
  - name: stolen
    action: block
    field: card
    entries: [a, {value: b, expires: 2024-02-01, note: back}]
rules:
  - {name: large, when: transaction.amount > 100 && features.card_count_1h >= 3.0, then: review}
  - {name: tried, when: score > 0.5, then: decline, shadow: true}
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "policy.yaml").write_text(text)
        return read_rule_book(tmp_path / "policy.yaml")

    return read


def test_a_file_reads_as_it_says(read):
    book = read(POLICY)
    book.require(FIELDS, ["card_count_1h"])
    (stolen,) = book.lists
    assert stolen.holds("a", 10**15)
    assert stolen.holds("b", 1_706_745_599_999)
    assert not stolen.holds("b", 1_706_745_600_000)  # the day begins in UTC
    assert not stolen.holds(None, 0)
    assert [(rule.name, rule.then, rule.shadow) for rule in book.rules] == [
        ("large", "review", False),
        ("tried", "decline", True),
    ]
    assert book.rules[0].when.reads == {"transaction.amount", "features.card_count_1h"}


def test_a_digest_tells_books_apart_and_none_leaves_the_thresholds_own(read):
    assert read(POLICY).digest == read(POLICY + "\n# a remark").digest
    assert read(POLICY).digest != read(POLICY.replace("3.0", "4.0")).digest
    assert read("").policy_digest("t") == RuleBook().policy_digest("t") == "t"
    assert read(POLICY).policy_digest("t") != read(POLICY).policy_digest("u")


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "the policy is"),
        ({"list": []}, "unknown key 'list'"),
        ({"lists": {}}, "lists must be a list"),
        ({"lists": [{"name": "A b"}]}, "list 1: the name is 'A b'"),
        ({"lists": [{"name": "a", "action": "ban"}]}, "list 'a': action is 'ban'; write block, allow or review"),
        ({"lists": [{"name": "a", "action": "block", "field": "card", "entries": [7]}]}, "an entry is 7"),
        (
            {
                "lists": [
                    {"name": "a", "action": "block", "field": "card", "entries": [{"value": "x", "expires": "soon"}]}
                ]
            },
            "expires is 'soon'",
        ),
        ({"rules": [{"name": "r", "when": "score >", "then": "review"}]}, "rule 'r': 'score >' is no CEL expression"),
        ({"rules": [{"name": "r", "when": "score > 0.1", "then": "stop"}]}, "rule 'r': then is 'stop'"),
        ({"rules": [{"name": "r", "when": "transaction['x'] > 1", "then": "review"}]}, "name each field"),
        ({"rules": [{"name": "r", "when": "score > 0.1", "then": "review", "shadow": "no"}]}, "shadow is 'no'"),
        ({"rules": [{"name": "r", "when": "score > 0.1", "then": "review"}] * 2}, "names 'r' twice"),
    ],
)
def test_a_mistake_is_told_where_it_is(document, told):
    with pytest.raises(ConfigurationError, match=told.replace("(", r"\(")):
        rule_book(document)


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("transaction.colour == 'red'", "rule 'r': there is no field transaction.colour; there are amount"),
        ("features.card_cont_1h > 1.0", "rule 'r': there is no feature card_cont_1h; there are card_count_1h"),
        ("transaction.country > 5", "rule 'r': .* cannot be computed"),
        ("transaction.amount + 1", "rule 'r': .* needs true or false"),
        ("nothing > 1", "rule 'r': .* cannot be computed"),
    ],
)
def test_what_a_rule_cannot_read_is_told(when, told):
    book = rule_book({"rules": [{"name": "r", "when": when, "then": "review"}]})
    with pytest.raises(ConfigurationError, match=told):
        book.require(FIELDS, ["card_count_1h", "hour"])


def test_a_list_of_a_field_that_there_is_not_is_told():
    book = rule_book({"lists": [{"name": "a", "action": "allow", "field": "ip", "entries": ["1.2.3.4"]}]})
    with pytest.raises(ConfigurationError, match="list 'a': there is no field 'ip'"):
        book.require(FIELDS)
    book.require(fields_of(EventSchema(("card", "ip")).transaction_schema()))


def test_a_file_that_is_not_there_or_no_yaml_is_told(read, tmp_path):
    with pytest.raises(ConfigurationError, match="there is no policy file"):
        read_rule_book(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read as YAML"):
        read("a: [")
