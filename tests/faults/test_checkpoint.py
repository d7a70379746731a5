"""Fault 3: a torn commit, a lost checkpoint, a disk that is full while a batch is committed."""

from __future__ import annotations

import shutil

from tests.faults.invariants import assert_kept


def test_a_torn_commit_then_a_lost_checkpoint_then_a_lost_directory(stream, models, measured, tmp_path):
    stream.register_champion(models[0])
    inputs = stream.produce_days(0, 5)
    stream.start()
    stream.wait_for(lambda: stream.caught_up(inputs))
    stream.process.stop(60.0)

    checkpoint = stream.settings.stream.directory / "checkpoint"
    newest = max((path for path in (checkpoint / "commits").glob("[0-9]*")), key=lambda path: int(path.name))
    newest.write_bytes(b"")
    inputs = _goes_on(stream, inputs, 5, "the checkpoint's last commit was torn")

    newest = max((path for path in (checkpoint / "offsets").glob("[0-9]*")), key=lambda path: int(path.name))
    newest.write_bytes(newest.read_bytes()[:-20])
    inputs = _goes_on(stream, inputs, 6, "the checkpoint's last file of offsets was torn")

    shutil.rmtree(checkpoint)
    inputs = _goes_on(stream, inputs, 7, "the checkpoint was gone and is restored from the manifests")

    shutil.rmtree(stream.settings.stream.directory)
    inputs = _goes_on(stream, inputs, 8, "the checkpoint was gone and is restored from the manifests")
    account = assert_kept(stream, inputs, tmp_path / "undisturbed")
    assert {m.stream_epoch for m in stream.batches()} == {1}
    measured("records delivered again after a torn commit, torn offsets and two lost checkpoints", account.redelivered)


def _goes_on(stream, inputs, day, told):
    """Started again with more to do, the stream says what it found and where it goes on; the inputs by now."""
    inputs += stream.produce_days(day, day + 1)
    stream.start_again()
    stream.wait_for(lambda: stream.reached(inputs))
    stream.process.stop(60.0)
    assert told in " ".join(stream.log.read_text().split())
    return inputs


def test_a_full_disk_stops_the_stream_and_once_freed_it_goes_on(small_disk, new_stream, models, tmp_path):
    small_disk.mount("4m")
    small = small_disk.path
    stream = new_stream(
        sections={"stream": {"directory": str(small / "stream"), "manifests": str(small / "manifests")}}
    )
    stream.register_champion(models[0])
    inputs = stream.produce_days(0, 3)
    stream.start()
    stream.wait_for(lambda: stream.caught_up(inputs))
    filler = small / "filler"
    _fill(filler)
    inputs += stream.produce_days(3, 5)
    words = stream.last_words()
    assert "free some" in words, words
    assert "Traceback" not in words
    filler.unlink()
    stream.start_again()
    stream.wait_for(lambda: stream.caught_up(inputs))
    stream.process.stop(60.0)
    assert_kept(stream, inputs, tmp_path / "undisturbed")


def _fill(path):
    """Take all space that is left."""
    with path.open("wb", buffering=0) as file:
        for size in (65_536, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
