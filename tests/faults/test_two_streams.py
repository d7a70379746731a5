"""Fault 2: two instances of one stream, on one checkpoint and on two."""

from __future__ import annotations

from tests.faults.invariants import assert_kept
from tests.faults.kit import FaultyStream


def test_another_checkpoint_on_the_same_state_is_refused_and_a_takeover_fences_the_first(stream, models, tmp_path):
    stream.register_champion(models[0])
    inputs = stream.produce_days(0, 4)
    stream.start()
    stream.wait_for(lambda: stream.caught_up(inputs))
    second = _beside(stream, tmp_path / "second")
    assert "holds the write lease. Stop that stream, or take over if it is dead" in second.refused()
    assert stream.process.running

    second.process = second.new_process("--takeover")
    second.start()
    fenced = len(stream.batches())
    inputs += stream.produce_days(4, 5)
    words = stream.last_words()  # its next batch is refused
    assert "was taken over" in words
    assert "Traceback" not in words
    second.wait_for(lambda: second.reached(inputs))
    second.process.stop(60.0)
    assert "the stream goes on with batch" in second.log.read_text()
    assert not {batch["batch"] for batch in stream.finished()} - set(range(1, fenced + 1))
    assert_kept(stream, inputs, tmp_path / "undisturbed")


def test_on_one_checkpoint_the_second_fences_the_first(new_stream, models, tmp_path):
    stream = new_stream()
    stream.register_champion(models[0])
    inputs = stream.produce_days(0, 4)
    stream.start()
    stream.wait_for(lambda: bool(stream.batches()))  # the first is at work
    twin = _twin(stream, tmp_path / "twin")
    twin.start()
    inputs += stream.produce_days(4, 5)
    words = stream.last_words()
    assert "was taken over" in words, words
    assert "Traceback" not in words
    twin.wait_for(lambda: stream.caught_up(inputs))
    twin.process.stop(60.0)
    assert_kept(stream, inputs, tmp_path / "undisturbed")


def _beside(stream, directory):
    """The same topics, state and manifests, a checkpoint of its own."""
    return _like(stream, directory, {"stream": {**stream.sections["stream"], "directory": str(directory / "stream")}})


def _twin(stream, directory):
    return _like(stream, directory, {})


def _like(stream, directory, more):
    directory.mkdir()
    kafka, state = stream.sections["kafka"], stream.sections["state"]
    name = str(stream.sections["mlflow"]["model_name"])
    sections = {**stream.sections, **more}
    return FaultyStream(
        directory, kafka["bootstrap_servers"], stream.sections["mlflow"]["tracking_uri"], name, state, sections
    )
