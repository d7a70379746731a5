"""Where executors find the driver, and how often a task is tried."""

from __future__ import annotations

import socket

import pytest

from paywarden.adapters.spark.session import _driver_address, _retrying


def test_a_local_session_listens_to_this_machine_alone():
    assert set(_driver_address("local[2]").values()) == {"127.0.0.1"}


def test_executors_of_a_standalone_cluster_find_the_driver_by_its_host_name():
    found = _driver_address("spark://master:7077")
    assert found["spark.driver.host"] == socket.gethostname()
    assert found["spark.driver.bindAddress"] == "0.0.0.0"  # noqa: S104 -- its own network


@pytest.mark.parametrize("master", ["yarn", "k8s://https://cluster:6443"])
def test_other_clusters_say_so_themselves(master):
    assert _driver_address(master) == {}


@pytest.mark.parametrize(
    ("master", "session"),
    [
        ("local", "local[1,4]"),
        ("local[2]", "local[2,4]"),
        ("local[*]", "local[*,4]"),
        ("local[2,1]", "local[2,1]"),
        ("local-cluster[2,1,1024]", "local-cluster[2,1,1024]"),
        ("spark://master:7077", "spark://master:7077"),
    ],
)
def test_a_local_session_tries_a_task_as_often_as_a_cluster(master, session):
    assert _retrying(master) == session
