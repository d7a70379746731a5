from paywarden.adapters.mlflow.run_records import as_metrics, as_parameters, flatten


def test_leaves_go_by_dotted_name():
    assert flatten({"a": 1, "b": {"c": [2], "d": {}}}) == {"a": 1, "b.c": [2]}


def test_names_that_mlflow_refuses_are_made_acceptable():
    assert flatten({"recall": {"card: test%": 0.5}}) == {"recall.card_ test_": 0.5}


def test_parameters_are_words_of_bounded_length():
    assert as_parameters({"depth": 6, "none": None}) == {"depth": "6", "none": "None"}
    assert len(as_parameters({"long": "x" * 10_000})["long"]) == 6000


def test_metrics_are_the_defined_numbers():
    assert as_metrics({"test": {"ap": 0.5, "auc": None, "rows": 3, "name": "x"}}) == {"test.ap": 0.5, "test.rows": 3.0}
