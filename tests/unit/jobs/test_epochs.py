import pytest

from paywarden.errors import Fenced, LeaseHeld, StateStoreError
from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.features.state import BatchTag
from paywarden.jobs.epochs import OpenState, after, ends_of, is_build, lineages, newest_manifest, starts_of

A, B = "a" * 64, "b" * 64


def manifest(epoch, batch, layout=A, *, anew=False, bundle=None):
    return BatchManifest(epoch, batch, (), layout, bundle, bundle, bundle, from_empty=anew)


def tags(lineage):
    return [(m.stream_epoch, m.batch) for m in lineage]


class TestLineages:
    def test_each_layout_has_its_own_in_the_order_of_tags(self):
        made = [
            manifest(1, 0, A, anew=True),
            manifest(1, 1, A),
            manifest(1, 2, A),
            manifest(2, 0, B, anew=True),
            manifest(3, 0, B),
            manifest(4, 3, B),
            manifest(5, 0, A),
            manifest(6, 4, A),
        ]
        found = lineages(made[::-1])
        assert [tags(lineage) for lineage in found] == [
            [(1, 0), (1, 1), (1, 2), (5, 3), (6, 4)],
            [(2, 0), (3, 1), (4, 2)],
        ]
        assert [lineage[0].state_layout for lineage in found] == [A, B]

    def test_a_state_made_anew_begins_another(self):
        found = lineages([manifest(1, 1, anew=True), manifest(1, 2), manifest(2, 0, anew=True), manifest(2, 1)])
        assert [tags(lineage) for lineage in found] == [[(1, 0), (1, 1)], [(2, 0), (2, 1)]]

    def test_nothing_has_none(self):
        assert lineages([]) == []


class TestNewestManifest:
    @pytest.fixture(autouse=True)
    def made(self, manifests):
        for each in (manifest(1, 0, anew=True), manifest(1, 1), manifest(2, 0, B, anew=True), manifest(3, 7, B)):
            manifests.write(each)

    def test_it_is_that_of_the_batch_begun_last(self, manifests):
        assert newest_manifest(A, BatchTag(1, 1), manifests) == manifest(1, 1)
        assert newest_manifest(B, BatchTag(3, 7), manifests) == manifest(3, 7, B)

    def test_a_piece_that_was_planned_and_not_begun_counts(self, manifests):
        manifests.write(manifest(4, 0))
        assert newest_manifest(A, BatchTag(1, 1), manifests) == manifest(4, 0)
        assert newest_manifest(B, BatchTag(3, 7), manifests) == manifest(3, 7, B)

    @pytest.mark.parametrize("current", [None, BatchTag(1, 2), BatchTag(9, 0), BatchTag(2, 0)])
    def test_a_state_without_its_manifest_was_never_finished(self, manifests, current):
        with pytest.raises(StateStoreError, match="never finished; build it again"):
            newest_manifest(A, current, manifests)

    @pytest.mark.parametrize("later", [[manifest(4, 0, anew=True)], [manifest(4, 0), manifest(5, 0)]])
    def test_a_store_put_back_from_a_backup_is_noticed(self, manifests, later):
        for each in later:
            manifests.write(each)
        with pytest.raises(StateStoreError, match="older than its manifests; build it again"):
            newest_manifest(A, BatchTag(1, 1), manifests)


def test_only_a_build_is_one():
    assert is_build(manifest(1, 0, anew=True))
    assert not is_build(manifest(1, 0))
    assert not is_build(manifest(1, 1, anew=True))


def test_offsets_are_known_by_topic_and_partition():
    ranges = [OffsetRange("t", 0, 3, 9), OffsetRange("t", 1, 4, 4), OffsetRange("l", 0, 0, 2)]
    assert ends_of(ranges) == {"t": {0: 9, 1: 4}, "l": {0: 2}}
    assert starts_of(ranges) == {"t": {0: 3, 1: 4}, "l": {0: 0}}
    assert after({"t": {0: 9}}, {"t": {0: 1, 1: 5}, "l": {0: 2}}) == {"t": {0: 9, 1: 5}, "l": {0: 2}}


class TestOpenState:
    def test_it_holds_the_lease_until_it_is_closed(self, epochs):
        state = OpenState.take(epochs, A, "me")
        with pytest.raises(LeaseHeld):
            OpenState.take(epochs, A, "you")
        state.close()
        OpenState.take(epochs, A, "you").close()

    def test_one_that_was_taken_over_says_so(self, epochs):
        state = OpenState.take(epochs, A, "me")
        state.require_lease()
        state.store.begin_batch(state.lease, BatchTag(1, 1))
        state.require_lease()
        assert state.current_epoch() == 1
        other = OpenState.take(epochs, A, "you", takeover=True)
        with pytest.raises(Fenced):
            state.require_lease()
        state.close()  # leaves the other's lease alone
        other.require_lease()
        other.close()
