"""The whole loop: unsure texts are reviewed, labels land in PostgreSQL, the trainer learns, moderators switch, the model decides."""
import gzip
import json
import pathlib

import pytest

from stack import Stack
from upstream import wait_until

DATA = pathlib.Path(__file__).resolve().parents[1] / "data/tweets-en/train.jsonl.gz"
COUNT = 240


@pytest.fixture(scope="module")
def rows():
    with gzip.open(DATA, "rt", encoding="utf-8") as lines:
        rows = [json.loads(next(lines)) for _ in range(2000)]
    violations = [row for row in rows if row["label"] == 1]
    passes = [row for row in rows if row["label"] == 0]
    return [row for pair in zip(violations, passes) for row in pair]


@pytest.fixture(scope="module")
def loop(cluster, upstream, rows, tmp_path_factory):
    cluster.empty()
    upstream.labels = {row["text"].strip(): row["label"] for row in rows}
    stack = Stack(tmp_path_factory.mktemp("loop"), upstream, cluster, moderators=2, profile="""
    model: { kind: hashlinear, low: 0.35, high: 0.65 }
    training: { min_samples: 200, every: 2s }""")
    yield stack
    stack.close()


def send(stack, rows):
    """How many answers agreed with the label; every request must be answered."""
    agreed = 0
    for row in rows:
        status, _, body = stack.chat(row["text"])
        assert status == 200 or (status == 400 and b"MODERATION_BLOCKED" in body), (status, body)
        agreed += (status == 400) == (row["label"] == 1)
    return agreed


def test_the_loop_closes(loop, cluster, rows):
    assert all(m.metric("prismguard_moderator_model_version") == 0 for m in loop.moderators)
    first = rows[:COUNT]
    assert send(loop, first) == len(first), "without a model the reviewer decides, and it knows the labels"
    reviewed = loop.gateway.metric("prismguard_gateway_requests_total", source="review")
    assert reviewed == len(first)
    wait_until(lambda: int(cluster.query("select count(*) from verdicts")[0][0]) == len(first), what="labels in PostgreSQL")
    labels = dict(cluster.query("select label, count(*) from samples group by label"))
    assert int(labels["0"]) == int(labels["1"]) == len(first) // 2
    wait_until(lambda: all(m.metric("prismguard_moderator_model_version") >= 1 for m in loop.moderators), 60,
               "both moderators use a model")
    live = cluster.query("select version, epoch, octet_length(bytes), figures from models where status = 'live'")
    assert len(live) == 1 and json.loads(live[0][3])["auc"] > 0.6
    second = rows[COUNT:2 * COUNT]
    agreed = send(loop, second)
    local = len(second) - (loop.gateway.metric("prismguard_gateway_requests_total", source="review") - reviewed)
    assert local > len(second) * 0.2, "the model decides a good part by itself"
    assert agreed > len(second) * 0.75
    assert loop.gateway.metric("prismguard_gateway_requests_total", source="model") > 0


def test_every_training_run_is_told_with_its_figures(loop):
    done = loop.trainer.events("training_done")
    assert done and all(line["status"] in ("live", "refused") for line in done)
    assert all(line["rows"] >= 200 and 0 <= line["auc"] <= 1 for line in done)


def test_no_text_of_a_sample_is_in_a_log(loop, rows):
    for service in loop.services:
        text = service.log_file.read_text()
        assert not [row["text"] for row in rows[:2 * COUNT] if len(row["text"]) > 30 and row["text"][:30] in text]


def test_a_second_trainer_stands_by(loop, cluster, tmp_path):
    from stack import Service, free_port
    port, publish = free_port(), free_port()
    second = Service("trainer-2", loop.config, tmp_path, port, environment={
        "PRISMGUARD_TRAINER_ADMIN_LISTEN": f"127.0.0.1:{port}", "PRISMGUARD_TRAINER_PUBLISH": f"tcp://127.0.0.1:{publish}"})
    try:
        second.wait_ready("/healthz")
        epoch = cluster.query("select epoch from leader")[0][0]
        wait_until(lambda: second.metric("prismguard_trainer_leader") == 0 and second.get("/healthz")[0] == 200)
        assert loop.trainer.metric("prismguard_trainer_leader") == 1
        assert cluster.query("select epoch from leader")[0][0] == epoch
    finally:
        assert second.stop() == 0
