"""SIGHUP: configuration, keys and keywords are read anew, whole or not at all, while requests go on."""
import http.client
import json
import signal
import threading
import time

import pytest

from stack import Stack, read_answer, request_bytes
from upstream import PATIENCE_S, wait_until

STORM_S = 5
STORM_EVERY_S = 0.1
CLIENTS = 9
IDLE_MAX = 2 * CLIENTS  # connections to the upstream that may wait for a request
HELLO = b'{"model":"answer","messages":[{"role":"user","content":"Hello"}]}'


@pytest.fixture
def reloadable(upstream, tmp_path):
    # No request may be lost to a reload, however long a busy machine takes over it.
    stack = Stack(tmp_path, upstream, review=False, pool="\n  deadline: { local: 20s }\n  queue: { age: 20s }")
    yield stack
    stack.close()


def reload(service):
    """One reload; its last line in the log."""
    def ended():
        return service.events("config_reloaded") + service.events("config_reload_failed")
    before = len(ended())
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(ended()) > before, what=f"{service.name} reloads")
    return max(ended(), key=lambda line: line["time"])


class Load:
    """Clients that ask without a pause, for answers, for streams, and one after the other on one connection; what came of it."""

    def __init__(self, stack, count=CLIENTS):
        self.stack, self.ends, self.statuses, self.problems = stack, threading.Event(), [], []
        ways = (self._ask, self._stream, self._ask_again)
        self.threads = [threading.Thread(target=self._run, args=(ways[number % 3],)) for number in range(count)]

    def _run(self, way):
        while not self.ends.is_set():
            try:
                way()
            except Exception as problem:  # whatever it is, it is a request that failed
                self.problems.append(repr(problem))

    def _ask(self):
        self.statuses.append(self.stack.chat("Hello")[0])

    def _stream(self):
        status, _, body = self.stack.chat("Hello", model="stream", stream=True)
        assert body.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"), body[-200:]
        self.statuses.append(status)

    def _ask_again(self):
        client = http.client.HTTPConnection("127.0.0.1", self.stack.ports["gateway"], timeout=PATIENCE_S)
        for _ in range(20):
            client.request("POST", "/openai/v1/chat/completions", HELLO, {"Content-Type": "application/json"})
            answer = client.getresponse()
            assert answer.read() and not answer.will_close
            self.statuses.append(answer.status)
        client.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        for thread in self.threads:
            thread.join()

    def assert_all_answered(self):
        assert not self.problems, self.problems[:5]
        assert len(self.statuses) >= CLIENTS and set(self.statuses) == {200}, set(self.statuses)


def test_a_new_route_serves_after_a_reload(reloadable):
    before = reloadable.chat("Hello")
    assert before[0] == 200
    reloadable.config.write_text(reloadable.config.read_text().replace("- path: /plain", "- path: /moved"))
    line = reload(reloadable.gateway)
    assert line["event"] == "config_reloaded" and len(line["digest"]) == 16
    assert line["digest"] != reloadable.gateway.events("started")[0]["digest"]
    assert reloadable.post(b"{}", path="/moved/v1/x")[0] == 200
    assert reloadable.post(b"{}", path="/plain/v1/x")[0] == 404
    assert reloadable.gateway.metric("prismguard_config_reloads_total", result="ok") == 1


def test_a_provider_s_key_is_rotated(reloadable, upstream):
    key = reloadable.folder / "provider"
    key.write_text("first-key")
    reloadable.config.write_text(reloadable.config.read_text().replace("- path: /plain", f"- path: /plain\n    key_file: {key}"))
    reload(reloadable.gateway)
    reloadable.post(b"{}", path="/plain/v1/x")
    key.write_text("second-key")
    reloadable.post(b"{}", path="/plain/v1/x")
    reload(reloadable.gateway)
    reloadable.post(b"{}", path="/plain/v1/x")
    sent = [exchange.field("authorization") for exchange in upstream.wait_for(3)]
    assert sent == [["Bearer first-key"], ["Bearer first-key"], ["Bearer second-key"]]
    assert "first-key" not in reloadable.gateway.log_file.read_text()


def test_a_broken_file_changes_nothing_and_is_told_by_its_line(reloadable):
    good = reloadable.config.read_text()
    broken = good.replace("- path: /plain", "- path: /moved").replace("threads: 2", "threads: two")
    line_of_threads = broken[:broken.index("threads: two")].count("\n") + 1
    reloadable.config.write_text(broken)
    line = reload(reloadable.gateway)
    assert line["event"] == "config_reload_failed"
    assert f"prismguard.yaml:{line_of_threads}: gateway.threads: found 'two'" in line["error"]
    reloadable.config.write_text(good.replace("path: /plain", "path: /moved\n    key_file: /nowhere"))
    line = reload(reloadable.gateway)
    assert line["event"] == "config_reload_failed" and "route /moved" in line["error"]
    for cut_short in ("", good[:good.index("routes:")]):
        reloadable.config.write_text(cut_short)
        line = reload(reloadable.gateway)
        assert line["event"] == "config_reload_failed" and "routes: missing" in line["error"]
    reloadable.config.unlink()
    assert reload(reloadable.gateway)["event"] == "config_reload_failed"
    assert reloadable.post(b"{}", path="/moved/v1/x")[0] == 404
    assert reloadable.post(b"{}", path="/plain/v1/x")[0] == 200
    assert reloadable.gateway.metric("prismguard_config_reloads_total", result="failed") == 5


def test_what_needs_a_restart_is_named_and_kept(reloadable):
    reloadable.config.write_text(reloadable.config.read_text().replace("threads: 2", "threads: 3").replace("drain: 5s", "drain: 6s"))
    assert reload(reloadable.gateway)["event"] == "config_reloaded"
    assert reloadable.gateway.events("config_needs_restart")[0]["settings"] == "gateway.threads"


def test_reloads_under_load_lose_no_request_and_leave_nothing_behind(reloadable, upstream):
    services = [reloadable.gateway, *reloadable.moderators]
    with Load(reloadable) as load:
        wait_until(lambda: len(load.statuses) > CLIENTS, what="every kind of request has been made")
    load.assert_all_answered()
    reloadable.gateway.wait_rest()
    files = [service.open_files() for service in services]
    long = reloadable.connect()
    long.sendall(request_bytes(b'{"model":"rests","stream":true,"messages":[{"role":"user","content":"Hello"}]}', close=True))
    with Load(reloadable) as load:
        ends = time.monotonic() + STORM_S
        while time.monotonic() < ends:
            for service in services:
                service.process.send_signal(signal.SIGHUP)
            time.sleep(STORM_EVERY_S)  # the pace of the storm, not a wait for something
    load.assert_all_answered()
    for service in services:
        assert len(service.events("config_reloaded")) > 10
        assert service.events("config_reload_failed") == []
    upstream.gate.set()
    status, _, body = read_answer(long)
    assert status == 200 and body.endswith(b"\r\n0\r\n\r\n"), "a stream from before the storm ends as it began"
    long.close()
    reloadable.gateway.wait_rest()
    for service, before in zip(services, files):
        # Connections that wait for their next request are no leak: those to the upstream may be fewer or more.
        wait_until(lambda: service.open_files()["socket:[N]"] <= before["socket:[N]"] + IDLE_MAX, what=f"{service.name}: no socket more")
        # What a reload replaced ends on threads of its own.
        wait_until(lambda: {**service.open_files(), "socket:[N]": 0} == {**before, "socket:[N]": 0},
                   what=f"{service.name}: the files of before, {before}, and not {service.open_files()}")


def test_a_keyword_that_was_added_is_blocked_after_a_reload(reloadable):
    keywords = reloadable.folder / "profiles/default/keywords.txt"
    moderator = reloadable.moderators[0]
    assert reloadable.chat("a novelty")[0] == 200
    keywords.write_text(keywords.read_text() + "novelty\n")
    assert reloadable.chat("a novelty")[0] == 200
    assert reload(moderator)["event"] == "config_reloaded"
    assert reloadable.chat("a novelty")[0] == 400
    assert reloadable.chat("forbidden-keyword")[0] == 400
    assert reloadable.chat("Hello")[0] == 200


@pytest.mark.parametrize("bad", ["", "re:(unclosed\n", None])
def test_a_list_of_keywords_that_cannot_be_used_keeps_the_last_good_one(reloadable, bad):
    keywords = reloadable.folder / "profiles/default/keywords.txt"
    if bad is None:
        keywords.unlink()
    else:
        keywords.write_text(bad)
    line = reload(reloadable.moderators[0])
    assert line["event"] == "config_reload_failed" and "keywords.txt" in line["error"]
    assert reloadable.chat("forbidden-keyword")[0] == 400
    assert reloadable.chat("Hello")[0] == 200


def test_a_new_profile_and_its_route_serve_after_a_reload(reloadable):
    folder = reloadable.folder / "profiles/strict"
    folder.mkdir()
    (folder / "words.txt").write_text("only-here\n")
    text = reloadable.config.read_text()
    text = text.replace("profiles:\n", "profiles:\n  strict:\n    keywords: [words.txt]\n")
    text = text.replace("routes:\n", f"routes:\n  - path: /strict\n    upstream: {reloadable.upstream.url}\n    moderation: strict\n")
    reloadable.config.write_text(text)
    assert reload(reloadable.moderators[0])["event"] == "config_reloaded"
    assert reload(reloadable.gateway)["event"] == "config_reloaded"
    ask = b'{"model":"answer","messages":[{"role":"user","content":"only-here"}]}'
    assert reloadable.post(ask, path="/strict/v1/chat/completions")[0] == 400
    assert reloadable.post(ask)[0] == 200
    assert reloadable.chat("forbidden-keyword")[0] == 400


def test_the_trainer_takes_new_profiles_and_trainings_and_leads_on(cluster, upstream, tmp_path):
    cluster.empty()
    stack = Stack(tmp_path, upstream, cluster, review=False, moderators=0)
    try:
        stack.trainer.wait_event("leader_elected")
        stack.config.write_text(stack.config.read_text().replace("profiles:\n", "profiles:\n  later: { training: { min_samples: 10 } }\n"))
        line = reload(stack.trainer)
        assert line["event"] == "config_reloaded"
        assert stack.trainer.wait_event("settings_in_use")["digest"] == line["digest"]
        wait_until(lambda: cluster.query("select count(*) from profiles where name = 'later'") == [["1"]], what="the new profile")
        stack.config.write_text(stack.config.read_text().replace("min_samples: 10", "min_samples: ten"))
        assert "min_samples" in reload(stack.trainer)["error"]
        stack.config.write_text(stack.config.read_text().replace("min_samples: ten", "min_samples: 20").replace("check_every: 1s", "check_every: 2s"))
        assert reload(stack.trainer)["event"] == "config_reloaded"
        assert stack.trainer.events("config_needs_restart")[0]["settings"] == "trainer.check_every"
        assert len(stack.trainer.events("leader_elected")) == 1
    finally:
        stack.close()


def test_a_review_under_way_holds_up_no_reload_and_ends_as_it_began(upstream, tmp_path):
    """The reviewing model does not answer; then a review slot more is asked for, which makes all of them anew."""
    stack = Stack(tmp_path, upstream, moderators=0, profile="\n    undecided: allow", pool="\n  deadline: { review: 60s }")
    text = stack.config.read_text().replace("models: [reviewer]", "models: [gated]\n      timeout: 60s").replace("sample_rate: 0", "sample_rate: 1")
    stack.config.write_text(text)
    answers = []
    try:
        assert reload(stack.gateway)["event"] == "config_reloaded"
        moderator = stack.start_moderator()
        wait_until(lambda: stack.gateway.metric("prismguard_gateway_pool_slots", kind="review", state="idle") > 0, what="a review slot")
        client = threading.Thread(target=lambda: answers.append(stack.chat("Hello")[0]))
        client.start()
        assert b"gated" in upstream.wait_for(1)[0].body
        for concurrency in (3, 4):
            stack.config.write_text(text.replace("sample_rate: 1", f"sample_rate: 1\n      concurrency: {concurrency}"))
            assert reload(moderator)["event"] == "config_reloaded"
            assert answers == [] and moderator.metric("prismguard_moderator_review_seconds_count") == 0
        upstream.gate.set()
        client.join()
        assert answers == [200]
    finally:
        upstream.gate.set()
        stack.close()
