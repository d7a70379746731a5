"""Random histories of leases, batches, writes, retries and clearings, against a store of a few dictionaries."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from paywarden.errors import Fenced, LeaseHeld, StaleWriter, StateLayoutMismatch, StateStoreError
from paywarden.features.state import BatchTag, Lease

WORDS = 2
ENTITIES = st.sampled_from(["card", "merchant"])
SHARDS = st.sampled_from([0, 1])
KEYS = st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), unique=True, max_size=4)
VALUES = st.integers(-(2**63), 2**63 - 1)
OWNERS = st.sampled_from(["one", "two"])
LAYOUTS = st.sampled_from(["layout", "layout", "layout", "other layout"])


class Oracle:
    """The contract of a state store in plain Python: all its memory is two dictionaries."""

    def __init__(self):
        self.fence, self.owner, self.layout = 0, None, None
        self.begun = self.open = None  # the batch begun last, and the one that may be written
        self.now, self.before = {}, {}

    def check(self, lease):
        if self.owner is None or lease.fence != self.fence:
            raise Fenced

    def acquire(self, owner, layout, takeover):
        if self.layout not in (None, layout):
            raise StateLayoutMismatch
        if self.owner not in (None, owner) and not takeover:
            raise LeaseHeld
        self.owner, self.layout, self.fence = owner, layout, self.fence + 1
        return Lease(owner, self.fence)

    def release(self, lease):
        if lease.fence == self.fence:
            self.owner = None

    def begin_batch(self, lease, tag):
        self.check(lease)
        if self.begun is not None and tag < self.begun:
            raise StaleWriter
        if tag != self.open:
            self.before = {}
        self.begun = self.open = tag

    def read(self, entity, shard, keys, tag):
        if tag is not None and self.open is not None and tag < self.open:
            raise StaleWriter
        images = self.before if tag is not None and tag == self.open else {}
        places = [(entity, shard, key) for key in keys]
        return [(images[place] if place in images else self.now.get(place)) or [0] * WORDS for place in places]

    def write(self, lease, entity, shard, keys, values, tag):
        self.check(lease)
        if self.open is not None and tag < self.open:
            raise StaleWriter
        if tag != self.open:
            raise StateStoreError
        for key, value in zip(keys, values, strict=True):
            self.before.setdefault((entity, shard, key), self.now.get((entity, shard, key)))
            self.now[entity, shard, key] = value

    def delete_where(self, lease, entity, shard, below):
        self.check(lease)
        idle = [place for place, row in self.now.items() if place[:2] == (entity, shard) and row[0] < below]
        for place in idle:
            if self.open is not None:
                self.before.setdefault(place, self.now[place])
            del self.now[place]
        return len(idle)

    def clear(self, lease):
        self.check(lease)
        self.now, self.before, self.open, self.layout = {}, {}, None, None


class Histories(RuleBasedStateMachine):
    """Does the same to the store and to the oracle; both must answer alike, refusals included."""

    def __init__(self, recipe):
        super().__init__()
        self.recipe = recipe
        self.oracle = Oracle()
        self.stores = [recipe(), recipe()]
        self.leases = [Lease("nobody", 0)]
        self.tag = BatchTag(1, 0)

    def teardown(self):
        self.everything_is_where_it_belongs()
        for store in self.stores:
            store.close()

    def both(self, real, expected):
        answer = self.answer(real)
        assert answer == self.answer(expected)
        return answer

    @staticmethod
    def answer(call):
        """What a call returns, or the class of its refusal."""
        try:
            return call()
        except StateStoreError as refusal:
            return type(refusal)

    @rule(store=st.integers(0, 1), owner=OWNERS, layout=LAYOUTS, takeover=st.booleans())
    def acquire(self, store, owner, layout, takeover):
        lease = self.both(
            lambda: self.stores[store].acquire(owner, layout, takeover=takeover),
            lambda: self.oracle.acquire(owner, layout, takeover),
        )
        if isinstance(lease, Lease):
            self.leases.append(lease)

    @rule(store=st.integers(0, 1), which=st.sampled_from([1, 1, 1, 2]))
    def release(self, store, which):
        lease = self.leases[-min(which, len(self.leases))]
        self.both(lambda: self.stores[store].release(lease), lambda: self.oracle.release(lease))

    @rule(
        store=st.integers(0, 1),
        which=st.sampled_from([1, 1, 1, 1, 2]),
        step=st.sampled_from([(0, 0), (0, 0), (0, 1), (0, 1), (0, 1), (1, 0), (0, -1), (-1, 5)]),
    )
    def begin(self, store, which, step):
        lease = self.leases[-min(which, len(self.leases))]
        tag = BatchTag(self.tag.stream_epoch + step[0], max(0, self.tag.batch + step[1]))
        self.both(lambda: self.stores[store].begin_batch(lease, tag), lambda: self.oracle.begin_batch(lease, tag))
        self.tag = self.oracle.begun or self.tag

    @rule(
        store=st.integers(0, 1),
        which=st.sampled_from([1, 1, 1, 1, 1, 2]),
        late=st.sampled_from([0, 0, 0, 0, 0, 1, -1]),
        entity=ENTITIES,
        shard=SHARDS,
        keys=KEYS,
        data=st.data(),
    )
    def write(self, store, which, late, entity, shard, keys, data):
        lease = self.leases[-min(which, len(self.leases))]
        tag = BatchTag(self.tag.stream_epoch, self.tag.batch - late)
        rows = [data.draw(st.lists(VALUES, min_size=WORDS, max_size=WORDS)) for _ in keys]
        states = np.array(rows, np.int64).reshape(-1, WORDS)
        self.both(
            lambda: self.stores[store].write_many(lease, entity, shard, keys, states, tag),
            lambda: self.oracle.write(lease, entity, shard, keys, rows, tag),
        )

    @rule(
        store=st.integers(0, 1),
        late=st.sampled_from([None, None, 0, 0, 0, 0, 1, -1]),
        entity=ENTITIES,
        shard=SHARDS,
        keys=KEYS,
    )
    def read(self, store, late, entity, shard, keys):
        tag = None if late is None else BatchTag(self.tag.stream_epoch, self.tag.batch - late)
        self.both(
            lambda: self.stores[store].read_many(entity, shard, keys, WORDS, tag).tolist(),
            lambda: self.oracle.read(entity, shard, keys, tag),
        )

    @rule(store=st.integers(0, 1), entity=ENTITIES, shard=SHARDS, below=st.sampled_from([0, 2**62]))
    def delete(self, store, entity, shard, below):
        lease = self.leases[-1]
        self.both(
            lambda: self.stores[store].delete_where(lease, entity, shard, WORDS, lambda rows: rows[:, 0] < below),
            lambda: self.oracle.delete_where(lease, entity, shard, below),
        )

    @precondition(lambda self: len(self.oracle.now) > 4)
    @rule(store=st.integers(0, 1))
    def clear(self, store):
        lease = self.leases[-1]
        self.both(lambda: self.stores[store].clear(lease), lambda: self.oracle.clear(lease))

    @rule(store=st.integers(0, 1))
    def open_again(self, store):
        self.stores[store].close()
        self.stores[store] = self.recipe()

    def everything_is_where_it_belongs(self):
        store = self.stores[0]
        assert store.current() == self.oracle.begun
        assert store.layout_digest() == self.oracle.layout
        found = {}
        for entity in ("card", "merchant"):
            for shard in range(store.shards):
                for keys, states in store.scan(entity, shard, WORDS):
                    found.update({(entity, shard, key): row for key, row in zip(keys, states.tolist(), strict=True)})
        assert found == self.oracle.now
        sizes = {size.entity: (size.records, size.payload_bytes) for size in store.stats()}
        counts = {entity: sum(place[0] == entity for place in found) for entity in ("card", "merchant")}
        assert sizes == {entity: (n, n * (1 + 16 + 8 * WORDS)) for entity, n in counts.items() if n}


def test_random_histories(new_place, request):
    # A cluster's client takes long to open, and its scripts are those of one server.
    examples = 15 if request.node.callspec.params["new_place"] == "redis_cluster" else 60
    run_state_machine_as_test(
        lambda: Histories(new_place()),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
