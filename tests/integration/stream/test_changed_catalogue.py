"""A champion with one more windowed feature goes live under traffic, and is rolled back."""

from __future__ import annotations

import threading
import time

import pytest
from tests.integration.stream.harness import ADDED, trained

from paywarden import wiring
from paywarden.features.manifest import BatchManifest

FIRST_DAY, HISTORY_DAYS, LAST_DAY = 0, 4, 400
_BEHIND = 3_000


class Traffic:
    """Days of a world, the next one whenever the stream is less than two batches behind, until told to end."""

    def __init__(self, harness):
        self._harness = harness
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self._ended.set()
        self._thread.join()

    def _run(self):
        for day in range(HISTORY_DAYS, LAST_DAY):
            if self._ended.is_set():
                return
            self.sent += self._harness.produce_days(day, day + 1)
            while not self._ended.is_set() and not self._harness.caught_up(self.sent - _BEHIND):
                time.sleep(0.2)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The full catalogue's, and one with the added feature."""
    path = tmp_path_factory.mktemp("catalogue") / "features.yaml"
    path.write_text(ADDED)
    return trained("full"), trained(str(path)), path


def _pieces(harness, layout: str) -> list[BatchManifest]:
    """The manifests of catching up with the stream."""
    return [m for m in harness.manifests() if m.state_layout == layout and m.batch == 0 and not m.from_empty]


def _layouts(harness) -> set[str]:
    """Those that have an online state."""
    return {state.layout for state in wiring.list_online_states(harness.settings)}


@pytest.mark.parametrize("backend", [pytest.param("lmdb", marks=pytest.mark.slow), "redis"])
def test_a_changed_catalogue_goes_live_and_back_under_traffic(backend, request, new_harness, models):
    state = {"redis_url": request.getfixturevalue("redis_url")} if backend == "redis" else {}
    harness, (old, new, catalogue) = new_harness(backend=backend, **state), models
    added = set(new.bundle.feature_names) - set(old.bundle.feature_names)
    assert added == {"card_sum_amount_2h"}
    layouts = [result.bundle.state_layout_digest for result in (old, new)]
    first = harness.register_champion(old)
    history = harness.produce_days(FIRST_DAY, HISTORY_DAYS)
    harness.command("archive")
    harness.command("state", "build")
    harness.start()
    with Traffic(harness) as traffic:
        harness.wait_for(lambda: harness.decided_by(first) >= 2)
        second = harness.register_champion(new)
        # Its state is missing: the first model goes on, and the log says what to do.
        harness.wait_for(lambda: f"paywarden state build --model {second}" in harness.log.read_text())
        so_far = harness.decided_by(first)
        harness.wait_for(lambda: harness.decided_by(first) > so_far)
        harness.command("archive")
        harness.command("state", "build", "--catalogue", str(catalogue))
        harness.wait_for(lambda: bool(_pieces(harness, layouts[1])))
        harness.process.kill()  # while the states change, or a moment later
        harness.start()
        harness.wait_for(lambda: harness.decided_by(second) >= 2)
        harness.registry.set_alias("champion", first)
        harness.wait_for(lambda: harness.decided_by(first) >= 2)
        shown = _layouts(harness)
        harness.command("state", "drop", layouts[1])
        dropped = _layouts(harness)
        traffic.end()
        harness.wait_for(lambda: harness.caught_up(history + traffic.sent, before=history))
    harness.process.stop(60.0)

    account = harness.account()
    assert account.complete, account
    assert account.inputs == traffic.sent
    batches = harness.batches()
    assert [m.batch for m in batches] == list(range(1, len(batches) + 1))
    served = [int(str(m.bundle_version)) for m in batches]
    changes = [version for n, version in enumerate(served) if n == 0 or served[n - 1] != version]
    assert changes == [first, second, first]
    assert {(m.bundle_version, m.state_layout) for m in batches} == {
        (str(first), layouts[0]),
        (str(second), layouts[1]),
    }
    assert _pieces(harness, layouts[0])  # going back, the kept state had to catch up too
    parity = harness.parity()
    assert parity.exact, parity
    assert parity.compared == account.decisions
    assert shown == set(layouts)
    assert dropped == {layouts[0]}
