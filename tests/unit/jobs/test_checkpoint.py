import pytest

from paywarden.errors import StreamError
from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.features.state import BatchTag
from paywarden.jobs.checkpoint import mend

EPOCH = 3


class Checkpoint:
    """What was asked of it."""

    def __init__(self, newest=None, torn_plan=None, torn_commit=None):
        self.newest, self.plan_torn, self.commit_torn = newest, torn_plan, torn_commit
        self.done = []

    def last_planned(self):
        return self.newest

    def torn_plan(self):
        return self.plan_torn

    def torn_commit(self):
        return self.commit_torn

    def forget_commit(self, batch_id):
        self.done.append(("forget commit", batch_id))

    def forget_plan(self, batch_id):
        self.done.append(("forget plan", batch_id))

    def plan(self, batch_id, ranges):
        self.done.append(("plan", batch_id, ranges))


def planned(batch, bundle="b"):
    ranges = (OffsetRange("transactions", 0, batch * 10, batch * 10 + 10),)
    return BatchManifest(EPOCH, batch, ranges, "layout", "1" if bundle else None, bundle)


@pytest.fixture
def mended(manifests):
    def mended(checkpoint, begun, first_batch=1, *batches):
        for batch in batches:
            manifests.write(batch)
        said = []
        mend(checkpoint, EPOCH, first_batch, begun, manifests, said.append)
        return checkpoint.done, said

    return mended


def test_a_whole_one_is_left_alone(mended):
    assert mended(Checkpoint(4), BatchTag(EPOCH, 5), 1, planned(5)) == ([], [])


def test_a_stream_that_never_began_has_nothing_to_mend(mended):
    assert mended(Checkpoint(), None) == ([], [])
    assert mended(Checkpoint(), BatchTag(EPOCH, 0), 1, planned(0, bundle=None)) == ([], [])  # after a build


def test_a_lost_one_goes_on_with_the_batch_begun_last_and_it_is_said_from_where(mended):
    done, said = mended(Checkpoint(), BatchTag(EPOCH, 5), 1, planned(4), planned(5))
    assert done == [("plan", 4, planned(5).ranges)]
    assert "batch 5 of epoch 3, from transactions/0 at 50" in said[0]


def test_a_batch_that_was_described_and_not_begun_is_the_newest(mended):
    assert mended(Checkpoint(), BatchTag(EPOCH, 5), 1, planned(5), planned(6))[0] == [("plan", 5, planned(6).ranges)]
    assert mended(Checkpoint(), None, 1, planned(1))[0] == [("plan", 0, planned(1).ranges)]


def test_a_lost_one_of_a_stream_that_just_went_over_cannot_be_restored(mended):
    with pytest.raises(StreamError, match="restore one of the two"):
        mended(Checkpoint(), BatchTag(EPOCH - 1, 0), 9)


def test_torn_offsets_are_those_of_the_manifest(mended):
    done, said = mended(Checkpoint(4, torn_plan=4), BatchTag(EPOCH, 5), 1, planned(5))
    assert done == [("plan", 4, planned(5).ranges)]
    assert len(said) == 1


def test_torn_offsets_of_a_batch_that_had_not_begun_are_forgotten(mended):
    assert mended(Checkpoint(4, torn_plan=4), BatchTag(EPOCH, 4), 1, planned(4))[0] == [("forget plan", 4)]


def test_after_a_torn_commit_the_batch_is_run_again(mended):
    done, said = mended(Checkpoint(4, torn_commit=4), BatchTag(EPOCH, 5), 1, planned(5))
    assert done == [("forget commit", 4)]
    assert "batch 5 is run again" in said[0]
