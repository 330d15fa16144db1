"""The printed bound on memory, met: bodies of more bytes than it, in a cgroup that has no more (tests/bench/memory does it for minutes)."""
import os
import subprocess
import sys

import pytest

import cgroup
from stack import RELEASE, ROOT


def may_have_groups():
    return os.access(cgroup.ROOT if cgroup.SECOND_VERSION else cgroup.ROOT / "memory", os.W_OK)


@pytest.mark.skipif(not may_have_groups(), reason="a memory cgroup of its own needs root")
def test_more_than_the_bound_is_sent_and_the_gateway_stays_within_it():
    """The release: a sanitizer's memory is not the gateway's. Refused are those that find no room in time; all are served at last."""
    done = subprocess.run([sys.executable, ROOT / "tests/bench/memory", "--quick", "--programs", RELEASE],
                          capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
