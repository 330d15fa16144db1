"""PostgreSQL goes away: requests are judged as before, and every label is in it after its return, whatever ended meanwhile."""
import pytest

from stack import Stack
from upstream import wait_until

COUNT = 40


@pytest.fixture
def away(cluster, upstream, tmp_path):
    cluster.empty()
    stack = Stack(tmp_path, upstream, cluster, profile="""
    training: { min_samples: 50000 }""")
    # The schema is there before the first label.
    wait_until(lambda: cluster.query("select to_regclass('verdicts') is not null")[0][0] == "t", what="the schema")
    cluster.stop()
    yield stack
    cluster.start()
    stack.close()


def spooled(moderator):
    return moderator.metric("prismguard_moderator_samples_total", result="spooled")


def send(stack, first, count):
    for number in range(first, first + count):
        status, _, body = stack.chat(f"text number {number}")
        assert status == 200, (status, body)


def in_database(cluster):
    return int(cluster.query("select count(*) from verdicts")[0][0])


@pytest.mark.parametrize("kill", [False, True], ids=["ended", "killed"])
def test_labels_of_a_moderator_that_is_gone_land_with_the_next(away, cluster, kill):
    moderator = away.moderators[0]
    send(away, 0, COUNT)
    wait_until(lambda: spooled(moderator) == COUNT or not kill, what="labels on disk")
    if kill:
        moderator.kill()
    else:
        assert moderator.stop() == 0
    cluster.start()
    successor = away.start_moderator()
    wait_until(lambda: in_database(cluster) == COUNT, what="labels in PostgreSQL")
    assert successor.metric("prismguard_moderator_samples_total", result="dropped") == 0
    assert successor.metric("prismguard_moderator_spool_bytes") == 0


def test_labels_land_in_the_process_that_kept_them(away, cluster):
    moderator = away.moderators[0]
    send(away, 0, COUNT)
    cluster.start()
    send(away, COUNT, COUNT)
    wait_until(lambda: in_database(cluster) == 2 * COUNT, what="labels in PostgreSQL")
    assert moderator.metric("prismguard_moderator_samples_total", result="dropped") == 0
