"""Fault 8: the registry is away, or gives what cannot serve; the last good model goes on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from tests.faults.invariants import assert_kept

from paywarden.adapters.mlflow.client import open_client


def test_the_last_good_model_serves_while_the_registry_is_away(new_stream, own_registry, models, tmp_path):
    stream = new_stream(registry=own_registry.tracking_uri)
    first = stream.register_champion(models[0])
    inputs = stream.produce_days(0, 3)
    stream.start()
    stream.wait_for(lambda: stream.caught_up(inputs))
    own_registry.kill()
    inputs += stream.produce_days(3, 4)
    stream.wait_for(lambda: stream.caught_up(inputs))
    stream.wait_for(lambda: f"still serving version {first}: MLflow at" in stream.log.read_text())
    stream.process.stop(120.0)

    inputs += stream.produce_days(4, 5)
    stream.start()  # without a registry
    stream.wait_for(lambda: stream.caught_up(inputs))
    assert f"still serving version {first}: MLflow at" in stream.log.read_text()

    own_registry.start()
    second = stream.register_champion(models[1])
    inputs = _until_decided_by(stream, second, inputs, 5)
    stream.process.stop(60.0)
    assert_kept(stream, inputs, tmp_path / "undisturbed")
    assert {m.bundle_version for m in stream.batches()} == {str(first), str(second)}


def test_a_damaged_bundle_is_refused_and_the_former_serves(new_stream, own_registry, models, tmp_path):
    stream = new_stream(registry=own_registry.tracking_uri, sections={"stream": {"model_poll_seconds": 0.2}})
    first = stream.register_champion(models[0])
    inputs = stream.produce_days(0, 3)
    stream.start()
    stream.wait_for(lambda: stream.caught_up(inputs))
    misfit = replace(models[1], bundle=replace(models[1].bundle, contract_digest="0" * 64))
    bundles = tmp_path / "mlflow" / "artifacts"
    for day, (result, damage) in enumerate(
        ((models[1], _cut_short), (models[1], _altered), (models[1], _removed), (misfit, _left_alone)), start=3
    ):
        version = stream.registry.log_and_register(result).version
        damage(_bundle(bundles, stream, version) / "booster.ubj")
        _assert_refused(stream, version, first)
        inputs += stream.produce_days(day, day + 1)
        stream.wait_for(partial(stream.caught_up, inputs))
        _point_champion_at(stream, first)
    stream.process.stop(60.0)
    assert_kept(stream, inputs, tmp_path / "undisturbed")
    assert {m.bundle_version for m in stream.batches()} == {str(first)}
    assert stream.log.read_text().count("warning") == 4  # each once


def _assert_refused(stream, version, first):
    """The stream says, of this champion, that the former one goes on."""
    before = stream.log.read_text().count(f"still serving version {first}:")
    _point_champion_at(stream, version)
    stream.wait_for(lambda: stream.log.read_text().count(f"still serving version {first}:") > before)


def _bundle(artifacts, stream, version):
    (run,) = artifacts.glob(f"*/{stream.registry.find(version).run_id}")
    return run / "artifacts" / "model" / "bundle"


def _cut_short(file):
    file.write_bytes(file.read_bytes()[:-100])


def _altered(file):
    file.write_bytes(file.read_bytes()[:-1] + b"?")


def _removed(file):
    file.unlink()


def _left_alone(file):
    """Its bundle is whole, and not made for its catalogue."""


def _point_champion_at(stream, version):
    """As somebody does who goes past Paywarden's own checks."""
    mlflow = stream.settings.mlflow
    open_client(mlflow.tracking_uri).set_registered_model_alias(mlflow.model_name, "champion", str(version))


def _until_decided_by(stream, version, inputs, day):
    for later in range(day, day + 20):
        inputs += stream.produce_days(later, later + 1)
        stream.wait_for(partial(stream.caught_up, inputs))
        if stream.decided_by(version):
            return inputs
    raise AssertionError(f"version {version} has not come to decide:\n{stream.process.log_tail(40)}")
