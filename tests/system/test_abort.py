"""What ends early: a client that leaves in any phase of its request takes its upstream along and leaves nothing; so does a gateway."""
import contextlib
import datetime
import json
import signal
import socket
import struct
import threading

import pytest

from stack import Stack, read_answer, request_bytes
from upstream import wait_until

HELLO = {"model": "answer", "messages": [{"role": "user", "content": "Hello"}]}
STREAMS = {  # where a dialect is asked for a stream whose upstream never ends it, and how
    "chat": ("/any/v1/chat/completions", {**HELLO, "model": "leaves", "stream": True}),
    "responses": ("/any/v1/responses", {"model": "leaves", "stream": True, "input": "Hello"}),
    "claude": ("/any/v1/messages", {**HELLO, "model": "leaves", "stream": True, "max_tokens": 9}),
    "gemini": ("/any/v1beta/models/leaves:streamGenerateContent?alt=sse", {"contents": [{"parts": [{"text": "Hello"}]}]}),
    "gemini-list": ("/any/v1beta/models/leaves:streamGenerateContent", {"contents": [{"parts": [{"text": "Hello"}]}]}),
}


@pytest.fixture(scope="module")
def stack(upstream, tmp_path_factory):
    """One loop, so that what it does for one client has an order with what it does for another; every text is reviewed."""
    stack = Stack(tmp_path_factory.mktemp("abort"), upstream, threads=1, pool="\n  deadline: { local: 20s, review: 30s }\n  queue: { age: 20s }",
                  route=f"""
  - path: /any
    upstream: {upstream.url}
    moderation: default""")
    wait_until(lambda: stack.gateway.metric("prismguard_gateway_pool_slots", kind="review", state="idle") > 0, what="a review slot")
    yield stack
    stack.close()


def reset(connection):
    """The client is killed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def end(connection):
    """The client closes: it may as well have ended its side only, and be waiting."""
    connection.shutdown(socket.SHUT_WR)
    connection.close()


def ask(stack, path, request):
    connection = stack.connect()
    connection.sendall(request_bytes(json.dumps(request).encode(), path=path))
    return connection


def receive_head(connection):
    data = b""
    while b"\r\n\r\n" not in data or data.endswith(b"\r\n\r\n"):  # and a byte of the body
        more = connection.recv(65536)
        assert more, data
        data += more
    return data


def assert_closed_within_a_turn(stack, exchange):
    """Another request that came later has been to its upstream and back: more than a turn of the only loop."""
    assert stack.post(b"{}", path="/plain/x")[0] == 200
    assert exchange.is_closed


@contextlib.contextmanager
def standing(service):
    """A process that does not move meanwhile."""
    service.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        service.process.send_signal(signal.SIGCONT)


LEAVE = pytest.mark.parametrize("leave", [reset, end])


@LEAVE
def test_a_client_that_leaves_within_its_upload(stack, upstream, leave):
    whole = request_bytes(json.dumps({**HELLO, "padding": "x" * 500000}).encode())
    connection = stack.connect()
    connection.sendall(whole[:len(whole) // 2])
    wait_until(lambda: stack.gateway.metric("prismguard_memory_account_bytes", account="bodies") > 0, what="a body under way")
    leave(connection)
    stack.gateway.wait_rest()
    assert upstream.exchanges == []


@LEAVE
def test_a_client_that_leaves_while_its_text_waits_for_a_moderator(stack, upstream, leave):
    moderator = stack.moderators[0]
    before = stack.gateway.metric("prismguard_gateway_pool_jobs_total", result="abandoned")
    with standing(moderator):
        clients = [ask(stack, "/any/v1/chat/completions", HELLO) for _ in range(4)]  # one a slot; of five at once two would share one
        wait_until(lambda: stack.gateway.metric("prismguard_gateway_pool_slots", kind="local", state="busy") == 4, what="busy slots")
        clients.append(ask(stack, "/any/v1/chat/completions", HELLO))
        wait_until(lambda: stack.gateway.metric("prismguard_gateway_pool_queue_jobs") == 1, what="a text that waits")
        for client in clients:
            leave(client)
        wait_until(lambda: stack.gateway.metric("prismguard_gateway_pool_queue_jobs") == 0, what="no text that waits")
    stack.gateway.wait_rest()
    assert stack.gateway.metric("prismguard_gateway_pool_jobs_total", result="abandoned") == before + 5
    assert upstream.exchanges == []
    stack.gateway.wait_ready()  # the moderator may have stood for so long that it was given up
    wait_until(lambda: stack.chat("Hello")[0] == 200, what="moderated again")


@LEAVE
def test_a_client_that_leaves_while_it_is_judged_and_its_late_verdict(stack, upstream, leave, monkeypatch):
    asked, answers = threading.Event(), threading.Event()
    review = upstream._script_reviewer

    def hold(connection, exchange, request):
        asked.set()
        assert answers.wait(30)
        return review(connection, exchange, request)

    wait_until(lambda: stack.gateway.metric("prismguard_gateway_pool_slots", kind="review", state="idle") > 0, what="a review slot")
    monkeypatch.setattr(upstream, "_script_reviewer", hold)
    counted = ("prismguard_gateway_pool_jobs_total", "prismguard_gateway_pool_late_verdicts_total")
    before = [stack.gateway.metric(counted[0], result="abandoned"), stack.gateway.metric(counted[1])]
    text = f"not judged before: {leave.__name__}"  # a known one needs no review
    connection = ask(stack, "/any/v1/chat/completions", {**HELLO, "messages": [{"role": "user", "content": text}]})
    assert asked.wait(30)
    leave(connection)
    wait_until(lambda: stack.gateway.metric("prismguard_gateway_in_flight") == 0, what="the client's request has ended")
    answers.set()
    wait_until(lambda: stack.gateway.metric(counted[1]) == before[1] + 1, what="the verdict came, and nobody waited")
    assert stack.gateway.metric(counted[0], result="abandoned") == before[0] + 1
    stack.gateway.wait_rest()
    assert upstream.exchanges == []


@LEAVE
def test_a_client_that_leaves_before_the_first_byte_of_its_answer(stack, upstream, leave):
    connection = ask(stack, "/any/v1/chat/completions", {**HELLO, "model": "thinks"})
    exchange = upstream.wait_for(1)[0]
    leave(connection)
    if leave is reset:  # else it may wait for its answer, and is asked each second whether it does
        assert_closed_within_a_turn(stack, exchange)
    assert exchange.closed_by_peer.wait(30)
    stack.gateway.wait_rest()


@LEAVE
@pytest.mark.parametrize("dialect", STREAMS)
def test_a_client_that_leaves_within_its_stream(stack, upstream, dialect, leave):
    connection = ask(stack, *STREAMS[dialect])
    receive_head(connection)
    leave(connection)
    assert_closed_within_a_turn(stack, upstream.wait_for(1)[0])
    stack.gateway.wait_rest()


@LEAVE
def test_a_client_that_leaves_within_an_answer_that_is_no_stream(stack, upstream, leave):
    connection = ask(stack, "/any/v1/chat/completions", {**HELLO, "model": "half"})
    receive_head(connection)
    leave(connection)
    assert_closed_within_a_turn(stack, upstream.wait_for(1)[0])
    stack.gateway.wait_rest()


ASKS = {  # each dialect for an answer that does not come, and what it is told when the gateway ends
    "chat": ("/any/v1/chat/completions", {**HELLO, "model": "thinks"}, 503, "overloaded"),
    "responses": ("/any/v1/responses", {"model": "thinks", "input": "Hello"}, 503, "overloaded"),
    "claude": ("/any/v1/messages", {**HELLO, "model": "thinks", "max_tokens": 9}, 529, "overloaded_error"),
    "gemini": ("/any/v1beta/models/thinks:generateContent", {"contents": [{"parts": [{"text": "Hello"}]}]}, 503, "UNAVAILABLE"),
}


@pytest.fixture
def ending(upstream, tmp_path):
    """A stack whose gateway the test ends."""
    def open_stack(drain, lead="0s"):
        stacks.append(Stack(tmp_path, upstream, review=False, drain=drain, lead=lead, route=f"""
  - path: /any
    upstream: {upstream.url}
    moderation: default"""))
        return stacks[0]

    stacks = []
    yield open_stack
    for stack in stacks:
        stack.close()


def test_a_gateway_that_ends_finishes_what_it_has_begun_and_begins_nothing(ending, upstream):
    stack = ending("30s")
    body = json.dumps(HELLO).encode()
    idle = stack.connect()
    idle.sendall(request_bytes(body))
    assert receive_head(idle).startswith(b"HTTP/1.1 200 ")
    uploading = stack.connect()
    uploading.sendall(request_bytes(body)[:-10])
    wait_until(lambda: stack.gateway.metric("prismguard_gateway_in_flight") == 1, what="its head has been read")
    waiting = ask(stack, "/any/v1/chat/completions", {**HELLO, "model": "gated"})
    wait_until(lambda: len(upstream.exchanges) == 2, what="the upstream has it")
    stack.gateway.process.terminate()
    stack.gateway.wait_event("draining")
    wait_until(lambda: hears_the_end(stack), what="who connects hears that it ends")
    assert idle.recv(1) == b"", "what was idle is closed"
    uploading.sendall(request_bytes(body)[-10:])
    status, fields, _ = read_answer(uploading)
    assert (status, fields["connection"]) == (200, "close")
    upstream.gate.set()
    status, _, answer = read_answer(waiting)
    assert status == 200 and answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert stack.gateway.process.wait(30) == 0
    for connection in (idle, uploading, waiting):
        connection.close()


def hears_the_end(stack):
    """Until each loop has heard of its end, one may still be served; one with nothing to do closes what waits in its queue."""
    try:
        status, fields, body = stack.post(json.dumps(HELLO).encode(), path="/nowhere")
    except ConnectionError:
        return False
    assert status in (404, 503) and fields["connection"] == "close"
    if status == 503:
        assert fields["retry-after"] == "1" and "shutting down" in json.loads(body)["error"]["message"]
    return status == 503


def test_while_it_leads_a_gateway_is_unready_and_serves_all_until_a_second_signal(ending, upstream):
    stack = ending("30s", lead="1h")
    idle = stack.connect()
    idle.sendall(request_bytes(json.dumps(HELLO).encode()))
    answer = receive_head(idle)
    assert answer.startswith(b"HTTP/1.1 200 ") and b"onnection: close" not in answer
    stack.gateway.process.terminate()
    assert stack.gateway.wait_event("unready")["lead_ms"] == 3600_000
    status, why = stack.gateway.get("/readyz")
    assert status == 503 and "shutting down" in why
    assert stack.gateway.get("/healthz")[0] == 200
    for _ in range(4):
        status, fields, _ = stack.chat("Hello")
        assert status == 200
    idle.sendall(request_bytes(json.dumps(HELLO).encode()))
    answers = idle.makefile("rb").read()  # to its end: it was kept, and is not any more
    assert b"HTTP/1.1 200 " in answers and b"onnection: close" in answers
    assert stack.gateway.events("draining") == []
    stack.gateway.process.terminate()
    assert stack.gateway.process.wait(10) == -signal.SIGTERM
    stack.services.remove(stack.gateway)
    idle.close()


def test_a_lead_lasts_as_long_as_the_settings_say(ending):
    stack = ending("30s", lead="700ms")
    stack.gateway.process.terminate()
    assert stack.gateway.process.wait(10) == 0
    unready, draining = (datetime.datetime.fromisoformat(stack.gateway.events(event)[0]["time"]) for event in ("unready", "draining"))
    assert 0.69 <= (draining - unready).total_seconds() < 5


def test_who_still_waits_when_the_drain_is_over_is_told_in_its_dialect(ending, upstream):
    stack = ending("1s")
    clients = {dialect: ask(stack, *ASKS[dialect][:2]) for dialect in ASKS}
    upstream.wait_for(len(ASKS))
    stack.gateway.process.terminate()
    for dialect, client in clients.items():
        status, fields, body = read_answer(client)
        error = json.loads(body)["error"]
        assert (status, fields["connection"], fields["retry-after"]) == (ASKS[dialect][2], "close", "1")
        assert ASKS[dialect][3] in (error.get("code"), error.get("type"), error.get("status")), error
        client.close()
    assert stack.gateway.process.wait(30) == 0
    assert all(exchange.closed_by_peer.wait(30) for exchange in upstream.exchanges)
