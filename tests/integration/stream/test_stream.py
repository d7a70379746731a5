"""The stream on real Kafka and Spark: killed in the middle of a batch, with a new champion before the restart."""

from __future__ import annotations

import time

import numpy as np
import pyarrow.compute as pc
import pytest
from tests.integration.stream.harness import trained_pair

POLICY = """
rules:
  - {name: large, when: transaction.amount > 50000, then: review}
  - {name: before, when: transaction.country != 'XX' && score >= 0.0, then: decline, shadow: true}
"""
MALFORMED = [b"{", b'{"transaction_id": 7}', b"\xff"]


@pytest.fixture(scope="module")
def models():
    return trained_pair()


@pytest.fixture(params=["lmdb", pytest.param("redis", marks=pytest.mark.slow)])
def harness(request, new_harness, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    more = {"policy": {"file": str(policy)}}
    if request.param == "redis":
        return new_harness(more, backend="redis", redis_url=request.getfixturevalue("redis_url"))
    return new_harness(more, backend="lmdb")


def test_a_driver_killed_in_a_batch_repeats_it_under_its_manifest(harness, models):
    old, new = (harness.register_champion(models[0]), models[1])
    inputs = harness.produce_days(0, 8, MALFORMED)
    harness.start()
    for day in range(8, 13):
        harness.wait_for(lambda: len(harness.batches()) >= 2 and _under_way(harness))
        time.sleep(0.5)  # its entity steps have begun by now
        harness.process.kill()
        if _under_way(harness):
            break
        inputs += harness.produce_days(day, day + 1)  # that batch was just over: try with the next
        harness.start()
    else:
        pytest.fail("five kills, and none of them in a batch")
    cut_off = harness.batches()[-1]
    inputs += harness.produce_days(13, 14)  # so that a batch follows, whose model is the new one
    before = harness.decisions()
    newer = harness.register_champion(new)
    harness.settings.policy.file.write_text(POLICY.replace("before", "after"))

    harness.start()
    harness.wait_for(lambda: harness.caught_up(inputs))
    harness.process.stop(60.0)

    account = harness.account()
    assert account.complete, account
    assert account.inputs == inputs
    assert account.dead_letters == len(MALFORMED)
    versions = {m.batch: m.bundle_version for m in harness.batches()}
    assert {batch: v for batch, v in versions.items() if batch <= cut_off.batch} == dict.fromkeys(
        range(1, cut_off.batch + 1), str(old)
    )
    assert {v for batch, v in versions.items() if batch > cut_off.batch} == {str(newer)}
    _assert_kept(before, harness.decisions())
    _assert_ruled(harness.decisions(), harness.batches(), cut_off.batch)
    parity = harness.parity()
    assert parity.exact, parity
    assert parity.compared == account.decisions


def _under_way(harness):
    """Whether the newest batch has a manifest and has not reported its end."""
    return harness.batches()[-1].batch not in {batch["batch"] for batch in harness.finished()}


def _assert_kept(before, after):
    """What had been decided before the kill was decided in the same way again."""
    if not before.num_rows:
        return
    ids = pc.index_in(after["decision_id"], value_set=before["decision_id"].combine_chunks())
    again = after.filter(ids.is_valid())
    earlier = before.take(ids.drop_null().combine_chunks())
    assert again.num_rows >= before.num_rows
    np.testing.assert_array_equal(again["score"].to_numpy(), earlier["score"].to_numpy())
    for name in ("bundle_digest", "policy_digest", "decision", "rules", "shadow_rules"):
        assert again[name].to_pylist() == earlier[name].to_pylist()


def _assert_ruled(decisions, batches, last_before):
    """Up to the batch that was repeated by the rules of before the kill, then by those of after it."""
    for row in decisions.to_pylist():
        assert row["shadow_rules"] == ["before" if row["batch_id"] <= last_before else "after"]
        assert row["rules"] == (["large"] if row["amount_base"] > 50000 else None)
        assert row["rules"] is None or row["decision"] != "approve"
    assert pc.any(pc.greater(decisions["amount_base"], 50000)).as_py()
    assert len({manifest.rules_digest for manifest in batches}) == 2


@pytest.mark.parametrize("harness", ["lmdb"], indirect=True)  # stopping is the query's own business, not the store's
def test_a_stream_stopped_gracefully_goes_on_where_it_was(harness, models):
    harness.register_champion(models[0])
    inputs = harness.produce_days(0, 3)
    harness.start()
    harness.wait_for(lambda: harness.caught_up(inputs))
    harness.process.stop(60.0)
    assert "stopping after the present batch" in harness.log.read_text()
    inputs += harness.produce_days(3, 5)
    harness.start()
    harness.wait_for(lambda: harness.caught_up(inputs))
    harness.process.stop(60.0)
    account = harness.account()
    assert account.complete
    assert (account.inputs, account.redelivered) == (inputs, 0)
    assert harness.parity().exact
