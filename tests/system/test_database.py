"""PostgreSQL goes away: requests are judged as before, and every label is in it after its return, whatever ended meanwhile."""
import datetime
import json
import statistics
import time

import pytest

from stack import Stack, free_port
from upstream import wait_until

COUNT = 40


def start_stack(cluster, upstream, folder, training="{ min_samples: 50000 }", moderators=1):
    """With the schema there before the first label."""
    cluster.empty()
    stack = Stack(folder, upstream, cluster, moderators=moderators, profile=f"""
    training: {training}""")
    wait_until(lambda: stack.trainer.metric("prismguard_trainer_leader") == 1, what="a leader")
    return stack


@pytest.fixture
def near(cluster, upstream, tmp_path):
    stack = start_stack(cluster, upstream, tmp_path)
    yield stack
    stack.close()


@pytest.fixture
def away(near, cluster):
    cluster.stop()
    yield near
    cluster.start()


def spooled(moderator):
    return moderator.metric("prismguard_moderator_samples_total", result="spooled")


def send(stack, first, count):
    """The median time of a request, in seconds; none fails."""
    times = []
    for number in range(first, first + count):
        began = time.monotonic()
        status, _, body = stack.chat(f"text number {number}")
        times.append(time.monotonic() - began)
        assert status == 200, (status, body)
    return statistics.median(times)


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


def test_labels_of_several_moderators_land_with_the_one_that_is_left(away, cluster):
    for _ in range(2):
        away.start_moderator()
    wait_until(lambda: away.gateway.get("/readyz")[0] == 200, what="ready")
    send(away, 0, 3 * COUNT)
    wait_until(lambda: sum(spooled(moderator) for moderator in away.services[2:]) == 3 * COUNT, what="labels on disk")
    used = [moderator for moderator in away.services[2:] if spooled(moderator) > 0]
    assert len(used) == 3, "the gateway uses them in turn"
    for moderator in away.services[2:]:
        moderator.kill()
    cluster.start()
    successor = away.start_moderator()
    wait_until(lambda: in_database(cluster) == 3 * COUNT, what="labels in PostgreSQL")
    assert len(successor.events("spool_adopted")) == 2
    wait_until(lambda: successor.metric("prismguard_moderator_spool_bytes") == 0, what="an empty spool")


def test_requests_are_judged_as_fast_while_it_is_away(near, cluster):
    usual = send(near, 0, 200)
    cluster.stop()
    try:
        slow = send(near, 200, 200)
    finally:
        cluster.start()
    assert slow < 3 * usual + 0.01, (usual, slow)
    wait_until(lambda: in_database(cluster) == 400, what="labels in PostgreSQL")


@pytest.mark.parametrize("kill", [False, True], ids=["ended", "killed"])
def test_labels_reach_the_disk_while_it_hangs(near, cluster, kill):
    moderator = near.moderators[0]
    send(near, 0, 1)
    wait_until(lambda: in_database(cluster) == 1, what="a session that is open")
    with cluster.frozen():
        send(near, 1, COUNT)
        wait_until(lambda: spooled(moderator) == COUNT, what="labels on disk")
        status, answer = moderator.get("/readyz")
        assert status == 200 and json.loads(answer)["note"] == "the database does not answer in time"
        if kill:
            moderator.kill()
        else:
            assert moderator.stop() == 0
            assert near.trainer.stop() == 0
            assert not near.trainer.events("training_abandoned"), "whatever waited for the server was left"
    successor = near.start_moderator()
    wait_until(lambda: in_database(cluster) == COUNT + 1, what="labels in PostgreSQL")
    assert successor.metric("prismguard_moderator_samples_total", result="dropped") == 0


WRONG, RIGHT = "ill-chosen-word", "well-chosen-word"


@pytest.fixture
def guarded(cluster, upstream, tmp_path):
    """A stack without moderators, and the environment of services whose password is refused."""
    stack = start_stack(cluster, upstream, tmp_path, moderators=0)
    rules = cluster.home / "data/pg_hba.conf"
    before = rules.read_text()
    rules.write_text("local prismguard guarded scram-sha-256\n" + before)
    cluster.rule("select pg_reload_conf()")
    cluster.rule(f"create role guarded login password '{RIGHT}' in role prismguard")
    (tmp_path / "password").write_text(WRONG)
    yield stack, {"PRISMGUARD_DATABASE_URL": cluster.url.replace("user=prismguard", "user=guarded"),
                  "PRISMGUARD_DATABASE_PASSWORD_FILE": str(tmp_path / "password")}
    stack.close()
    rules.write_text(before)
    cluster.rule("select pg_reload_conf()")
    cluster.rule("drop role guarded")


def backed_off(events):
    """The time between two failures is at least what was waited between them: the lower halves of the jittered back-offs."""
    for one, other in zip(events, events[1:]):
        least = sum(min(5000, 100 * 2 ** (failure - 1)) / 2 for failure in range(one["failures"], other["failures"]))
        times = [datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")) for event in (one, other)]
        if (times[1] - times[0]).total_seconds() * 1000 < least - 10:
            return False
    return True


def test_a_refused_password_is_told_and_tried_again(guarded, cluster, tmp_path):
    stack, environment = guarded
    ports = [free_port() for _ in range(3)]
    moderator = stack._start("moderator", ports[0], {**environment, "PRISMGUARD_MODERATOR_ADMIN_LISTEN": f"127.0.0.1:{ports[0]}"})
    trainer = stack._start("trainer", ports[1], {**environment, "PRISMGUARD_TRAINER_ADMIN_LISTEN": f"127.0.0.1:{ports[1]}",
                                                 "PRISMGUARD_TRAINER_PUBLISH": f"tcp://127.0.0.1:{ports[2]}"})
    moderator.wait_ready()
    stack.gateway.wait_ready()
    send(stack, 0, COUNT)
    assert "refuses" in moderator.wait_event("history_unavailable", status="denied")["reason"]
    assert "refuses" in trainer.wait_event("leader_interrupted", status="denied")["reason"]
    status, answer = trainer.get("/readyz")
    assert status == 503 and "refuses" in json.loads(answer)["reason"]
    wait_until(lambda: moderator.events("history_unavailable")[-1]["failures"] >= 5, what="more tries")
    assert backed_off(moderator.events("history_unavailable"))
    status, answer = moderator.get("/readyz")
    assert status == 200 and "refuses" in json.loads(answer)["note"], "it judges all the same, and says so"
    cluster.rule(f"alter role guarded password '{WRONG}'")
    wait_until(lambda: in_database(cluster) == COUNT, what="labels in PostgreSQL")
    trainer.wait_ready()
    assert json.loads(moderator.get("/readyz")[1]) == {"status": "ready"}
    for service in (moderator, trainer):
        assert WRONG not in service.log_file.read_text()


def test_the_trainer_leads_again_after_a_restart_of_the_database(cluster, upstream, tmp_path):
    stack = start_stack(cluster, upstream, tmp_path, training="{ min_samples: 200, every: 1s }")
    trainer, moderator = stack.trainer, stack.moderators[0]
    epoch = int(cluster.query("select epoch from leader")[0][0])
    cluster.stop()
    wait_until(lambda: trainer.metric("prismguard_trainer_leader") == 0 and trainer.get("/readyz")[0] == 503, what="no leader")
    cluster.start()
    wait_until(lambda: trainer.metric("prismguard_trainer_leader") == 1 and trainer.get("/readyz")[0] == 200, what="a leader")
    assert trainer.metric("prismguard_trainer_epoch") > epoch
    cluster.query("insert into samples (profile_id, label, text_hash, text) select profile_id, l, decode(md5(l || ' ' || n), 'hex'), "
                  "convert_to(case l when 0 then 'a pleasant day ' else 'an awful crime ' end || n, 'UTF8') "
                  "from profiles, generate_series(0, 1) l, generate_series(1, 200) n where name = 'default'")
    wait_until(lambda: moderator.metric("prismguard_moderator_model_version") >= 1, what="a model in use")
    found = cluster.query("select epoch from models where status = 'live'")
    assert len(found) == 1 and int(found[0][0]) > epoch
    stack.close()
