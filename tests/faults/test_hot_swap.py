"""Models change under a running stream: a challenger in the shadow, its promotion, and a rollback."""

from __future__ import annotations

from collections import Counter
from functools import partial

from paywarden.events.decision import of_source
from paywarden.jobs.account import SHADOW, STREAM


def test_a_challenger_shadows_is_promoted_and_rolled_back(new_stream, models):
    old, new = models
    harness = new_stream(sections={"stream": {"shadow": True, "model_poll_seconds": 0.2}})
    first, second = harness.register_champion(old), harness.register(new)
    harness.registry.set_alias("challenger", second)
    sent = harness.produce_days(0, 4)
    harness.start()
    harness.wait_for(lambda: harness.caught_up(sent))
    harness.registry.promote(second, over=first)
    sent = _decide(harness, second, sent, 4)
    assert f"champion is version {first} again" in harness.command("models", "rollback")
    sent = _decide(harness, first, sent, 24)
    harness.wait_for(lambda: harness.caught_up(sent))
    harness.process.stop(60.0)

    account = harness.account()
    assert account.complete, account
    assert account.inputs == sent
    batches, decisions = harness.batches(), harness.decisions()
    served = [int(str(m.bundle_version)) for m in batches]
    changes = [version for n, version in enumerate(served) if n == 0 or served[n - 1] != version]
    assert changes == [first, second, first]
    acting, shadows = of_source(decisions, STREAM), of_source(decisions, SHADOW)
    named = {m.batch: (m.bundle_digest, m.shadow_digest) for m in batches}
    # No batch mixes versions, and the shadow decided just the payments that the acting model did.
    assert all(digest == named[batch][0] for batch, digest in _pairs(acting))
    assert all(digest == named[batch][1] for batch, digest in _pairs(shadows))
    shadowed = {batch for batch, (_, shadow) in named.items() if shadow}
    assert Counter(batch for batch, _ in _pairs(shadows)) == Counter(b for b, _ in _pairs(acting) if b in shadowed)
    assert {new.bundle.digest} == set(shadows["bundle_digest"].to_pylist())
    assert account.shadows == shadows.num_rows > 0
    assert set(harness.decisions("alerts")["source"].to_pylist()) == {STREAM}
    for source in (STREAM, SHADOW):
        parity = harness.parity(source)
        assert parity.exact, parity
        assert parity.compared == of_source(decisions, source).num_rows


def _decide(harness, version, sent, day):
    """Traffic until this version decides; how much was sent. It must come without a restart."""
    for later in range(day, day + 20):
        sent += harness.produce_days(later, later + 1)
        harness.wait_for(partial(harness.caught_up, sent))
        if harness.decided_by(version):
            return sent
    raise AssertionError(f"version {version} has not come to decide:\n{harness.process.log_tail(40)}")


def _pairs(decisions):
    return list(zip(decisions["batch_id"].to_pylist(), decisions["bundle_digest"].to_pylist(), strict=True))
