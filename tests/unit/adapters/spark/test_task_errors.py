from pathlib import Path

import pytest
from pyspark.errors import PySparkException

from paywarden.adapters.spark.task_errors import ended, translated
from paywarden.errors import BundleError, Fenced, StreamError

CHECKPOINT = Path("data/stream/checkpoint")


@pytest.mark.parametrize("kind", [Fenced, BundleError])
def test_an_error_of_ours_comes_out_of_the_workers_traceback(kind):
    text = f"Job aborted\n  File x\npaywarden.errors.{kind.__name__}: what happened\n\tat org.apache"
    found = translated(PySparkException(text))
    assert (type(found), str(found)) == (kind, "what happened")


def test_another_is_told_in_one_line():
    found = translated(PySparkException("Job aborted\n\tat org.apache"))
    assert (type(found), str(found)) == (StreamError, "Spark could not run the batch: Job aborted")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Query terminated: java.io.IOException: No space left on device\nat", "free some and start the stream again"),
        ("Concurrent update to the log. Multiple streaming jobs detected for 4", "another stream runs"),
        ("Query [id] terminated\nat org.apache", "the stream ended: Query [id] terminated"),
        ("", "Spark gives no reason"),
    ],
)
def test_the_end_of_a_query_says_what_to_do(said, told):
    assert told in str(ended(said, CHECKPOINT))
