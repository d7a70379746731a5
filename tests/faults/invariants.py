"""What must hold after every fault, whatever it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.integration.stream.harness import StreamHarness

from paywarden import wiring
from paywarden.adapters.state.lmdb_store import open_lmdb
from paywarden.features.engine import Engine
from paywarden.features.manifest import BatchManifest
from paywarden.features.state import BatchTag, StateStore
from paywarden.jobs.account import Account
from paywarden.jobs.epochs import lineages
from paywarden.jobs.state_fold import fold_into


def assert_kept(stream: StreamHarness, inputs: int, scratch: Path, **outcomes: int) -> Account:
    """All four invariants of a stream that has caught up and was stopped; what became of its inputs.

    Every input offset was decided, dead-lettered, recorded as a duplicate or applied as a label; no decision id came
    with two decisions; scores and vectors are those of an undisturbed replay by the same manifests; every stored
    state is what one folding of each event gives. ``outcomes`` are numbers that are known, such as `dead_letters=3`.
    """
    account = stream.account()
    assert account.complete, account
    assert account.inputs == inputs, account
    assert {name: getattr(account, name) for name in outcomes} == outcomes
    parity = stream.parity()
    assert parity.exact, parity
    assert parity.compared == account.decisions, parity
    assert_counted_once(stream, scratch)
    return account


def assert_counted_once(stream: StreamHarness, scratch: Path) -> None:
    """Every stored state equals, to the bit, a state into which each event of Kafka was folded once."""
    engines = {r.bundle.state_layout_digest: Engine(r.bundle.catalogue) for r in stream.results.values()}
    last = {lineage[-1].state_layout: lineage for lineage in lineages(stream.manifests())}
    epochs = wiring.state_epochs(stream.settings)
    for layout, lineage in last.items():
        found = epochs.find(layout)
        assert found is not None, f"the state of layout {layout[:16]} is gone"
        store = found()
        try:
            expected = _folded(stream, engines[layout], lineage, scratch / layout[:16], store.shards)
            for entity in sorted({step.entity for step in store.stats()}):
                _assert_equal(entity, _records(store, engines[layout], entity), expected[entity])
        finally:
            store.close()


def _folded(
    stream: StreamHarness, engine: Engine, lineage: list[BatchManifest], directory: Path, shards: int
) -> dict[str, dict[bytes, bytes]]:
    """The records of each entity after an undisturbed folding."""
    store, read = open_lmdb(directory, shards)(), wiring.events_between(stream.settings)
    try:
        lease = store.acquire("undisturbed", engine.digest)
        for manifest in lineage:
            tag = BatchTag(1, manifest.batch)
            store.begin_batch(lease, tag)
            fold_into(store, lease, engine, *read(manifest.ranges), tag)
        return {size.entity: _records(store, engine, size.entity) for size in store.stats()}
    finally:
        store.close()


def _records(store: StateStore, engine: Engine, entity: str) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for shard in range(store.shards):
        for keys, states in store.scan(entity, shard, engine.words(entity)):
            found.update(zip(keys, (np.ascontiguousarray(state).tobytes() for state in states), strict=True))
    return found


def _assert_equal(entity: str, stored: dict[bytes, bytes], expected: dict[bytes, bytes]) -> None:
    differing = [key for key in stored.keys() | expected.keys() if stored.get(key) != expected.get(key)]
    assert not differing, f"{len(differing)} of {len(expected)} states of {entity} differ, such as {differing[:3]}"
