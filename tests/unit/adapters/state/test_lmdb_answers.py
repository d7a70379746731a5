import signal
import subprocess
import sys

import pytest

from paywarden.adapters.state.lmdb_answers import LmdbAnswers
from paywarden.events.kept_answer import Kept, NewAnswer, Record

HOUR = 3_600_000


def answer(name, said=b"{}", topics=("predictions",)):
    return NewAnswer(name, Kept("f" * 32, said), [Record(topic, b"card", said) for topic in topics])


@pytest.fixture
def answers(tmp_path):
    answers = LmdbAnswers(tmp_path / "answers", HOUR)
    yield answers
    answers.close()


def test_the_first_answer_stays_and_is_sent_once(answers):
    assert answers.find(["a"], 0) == [None]
    assert answers.keep([answer("a", b"1", ("predictions", "alerts")), answer("b", b"2")], 0) == [
        (Kept("f" * 32, b"1"), True),
        (Kept("f" * 32, b"2"), True),
    ]
    assert answers.keep([answer("a", b"3")], 5) == [(Kept("f" * 32, b"1"), False)]
    assert [kept and kept.said for kept in answers.find(["b", "x", "a"], 5)] == [b"2", None, b"1"]
    assert [(n, r.topic, r.key, r.value) for n, r in answers.outbox(10)] == [
        (0, "predictions", b"card", b"1"),
        (1, "alerts", b"card", b"1"),
        (2, "predictions", b"card", b"2"),
    ]


def test_answers_are_forgotten_after_the_horizon_and_leave_nothing(answers):
    answers.keep([answer(f"t{n}") for n in range(250)], 0)
    assert answers.find(["t0"], HOUR - 1) != [None]
    assert answers.find(["t0"], HOUR) == [None]
    assert answers.keep([answer("t0", b"new")], HOUR)[0] == (Kept("f" * 32, b"new"), True)
    for _ in range(3):
        answers.keep([answer("z")], HOUR)  # each takes a hundred old ones along
    assert answers.find(["t0"], HOUR)[0].said == b"new"
    assert answers._environment.view(lambda txn, db: txn.stat(db)["entries"], "answers") == 2
    assert answers._environment.view(lambda txn, db: txn.stat(db)["entries"], "expiry") == 2


def test_what_was_sent_leaves_the_outbox_in_order(answers):
    answers.keep([answer(name) for name in "abc"], 0)
    first = answers.outbox(2)
    answers.sent([number for number, _ in first])
    assert [number for number, _ in answers.outbox(10)] == [2]
    answers.keep([answer("d")], 0)
    assert [number for number, _ in answers.outbox(10)] == [2, 3]
    assert answers.pending() == 2


_DIE_AFTER_KEEPING = """
import os, signal, sys
from pathlib import Path
from paywarden.adapters.state.lmdb_answers import LmdbAnswers
from paywarden.events.kept_answer import Kept, NewAnswer, Record
answer = NewAnswer("a", Kept("f" * 32, b"kept"), [Record("predictions", b"card", b"kept")])
LmdbAnswers(Path(sys.argv[1]), 3_600_000).keep([answer], 0)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_answer_and_its_records_outlive_their_process(tmp_path):
    died = subprocess.run([sys.executable, "-c", _DIE_AFTER_KEEPING, str(tmp_path / "answers")], check=False)
    assert died.returncode == -signal.SIGKILL
    answers = LmdbAnswers(tmp_path / "answers", HOUR)
    assert answers.find(["a"], 0)[0].said == b"kept"
    assert answers.pending() == 1
    answers.close()
