"""Fixtures: one private PostgreSQL for the session, one scripted upstream and one running stack a test module."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from stack import Cluster, Stack  # noqa: E402
from upstream import Upstream  # noqa: E402


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("postgres")
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)
    cluster = Cluster(folder)
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def upstream():
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="module")
def stack(upstream, tmp_path_factory):
    """Gateway and one moderator, no database, no review: keywords only."""
    stack = Stack(tmp_path_factory.mktemp("stack"), upstream, review=False)
    yield stack
    stack.close()


@pytest.fixture(autouse=True)
def no_debts(request):
    """After each test every account of its gateways is empty again; a debug build ends at an account that is not when it closes."""
    yield
    for used in request.node.funcargs.values():
        if isinstance(used, Stack) and used.gateway.process.poll() is None:
            used.gateway.wait_paid()


@pytest.fixture(autouse=True)
def fresh_upstream(request):
    if "upstream" in request.fixturenames or "stack" in request.fixturenames:
        request.getfixturevalue("upstream").forget()
    yield
