"""Limits on callers, from outside: who meets one hears its status, each time is counted, and the log has one event a second for each
reason, the next of which says how many it stands for."""
import gzip
import json
import socket
import time

import pytest

from stack import Stack, read_answer, request_bytes
from upstream import wait_until

HEAD = b"POST /plain/x HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /plain/x HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def limited(upstream, tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("limits"), upstream, review=False, moderators=0, limits="""
    connections_per_address: 4
    in_flight: 6
    request_bytes: 256KiB
    moderated_text: 4KiB
  trusted_proxies: [127.0.0.7]""")
    yield stack
    stack.close()


def chat(**more):
    return request_bytes(json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}], **more}).encode())


def body(data, *fields):
    return request_bytes(data, path="/plain/x", fields=fields)


RULES = [  # what is sent, the answer's status, and the rule that it broke
    (b"GET /" + b"a" * 8192 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "line_size"),
    (HEAD + b"X: " + b"a" * 16384 + b"\r\n\r\n", 431, "field_size"),
    (HEAD + (b"X: " + b"a" * 11000 + b"\r\n") * 3 + b"\r\n", 431, "header_size"),
    (HEAD + b"X: a\r\n" * 100 + b"\r\n", 431, "field_count"),
    (b"\r\n" * 3 + GET, 400, "empty_lines"),
    (CHUNKED + b"1;" + b"e" * 4097 + b"\r\nx\r\n0\r\n\r\n", 400, "extensions"),
    (CHUNKED + b"0\r\n" + b"X: a\r\n" * 17 + b"\r\n", 431, "trailers"),
    (body(b"a" * (256 * 1024 + 1)), 413, "body_size"),
    (body(gzip.compress(b" " * (256 * 1024 + 1)), ("Content-Encoding", "gzip")).replace(b"/plain/x", b"/openai/v1/chat/completions"), 413,
     "decoded_size"),
    (HEAD + b"Content-Length: 9\r\n\r\nab", 400, "incomplete"),
]
BODIES = [  # the same, and the kind of error
    (request_bytes(b"[" * 65 + b"]" * 65), 400, "invalid_json"),
    (chat(messages=[{"role": "user", "content": "x"}] * 2049), 400, "invalid_request"),
    (chat(messages=[{"role": "user", "content": "x" * 4097}]), 413, "prompt_too_long"),
]


def send(stack, data, source="127.0.0.1"):
    with socket.create_connection(("127.0.0.1", stack.ports["gateway"]), timeout=30, source_address=(source, 0)) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return read_answer(connection)


def assert_told(stack, meet, event, field, reason, counter, label):
    """Meets a limit three times at once, and again until the log says how many it did not tell: all of them are accounted for."""
    def lines():
        return stack.gateway.events(event, **{field: reason})

    def told():
        meet()
        met.append(time.monotonic())
        return sum(1 + line["suppressed"] for line in lines()[before:]) == len(met)  # the last one is told, and those before it

    before, counted = len(lines()), stack.gateway.metric(counter, **{label: reason})
    met = []
    for _ in range(3):
        meet()
        met.append(time.monotonic())
    wait_until(told, what=f"an event {event} for what the one before held back")
    assert any(line["suppressed"] for line in lines()[before:])
    assert len(lines()) - before <= met[-1] - met[0] + 2, "one a second"
    assert stack.gateway.metric(counter, **{label: reason}) == counted + len(met)


@pytest.mark.parametrize("data, status, rule", RULES, ids=[rule for *_, rule in RULES])
def test_a_rule_of_http_that_is_broken_is_told_once_a_second_and_counted_each_time(limited, upstream, data, status, rule):
    def meet():
        answer = send(limited, data)
        assert answer[0] == status
        assert rule == "decoded_size" or answer[1]["connection"] == "close"  # all of that one was read

    assert_told(limited, meet, "http_rejected", "rule", rule, "prismguard_gateway_http_rejected_total", "rule")
    assert upstream.exchanges == []


@pytest.mark.parametrize("data, status, kind", BODIES, ids=[kind for *_, kind in BODIES])
def test_a_body_beyond_a_bound_is_told_once_a_second_and_counted_each_time(limited, upstream, data, status, kind):
    def meet():
        assert send(limited, data)[0] == status

    assert_told(limited, meet, "body_refused", "error", kind, "prismguard_gateway_errors_total", "error")
    assert upstream.exchanges == []


def test_connections_of_an_address_beyond_its_bound_are_told(limited):
    """Those that have a place to be refused on; of another address nobody is."""
    def meet():
        answer = send(limited, GET, source="127.0.0.9")
        assert answer[0] == 429 and answer[1]["retry-after"] == "1"

    kept = [socket.create_connection(("127.0.0.1", limited.ports["gateway"]), timeout=30, source_address=("127.0.0.9", 0))
            for _ in range(4)]
    for connection in kept:  # each has its place when it is answered
        connection.sendall(GET)
        assert connection.recv(12) == b"HTTP/1.1 200"
    assert_told(limited, meet, "http_rejected", "rule", "address", "prismguard_gateway_http_rejected_total", "rule")
    assert send(limited, GET)[0] == 200
    for connection in kept:
        connection.close()


def test_requests_in_flight_beyond_their_bound_are_told(limited, upstream):
    def meet():
        answer = send(limited, GET, source="127.0.0.7")
        assert answer[0] == 503 and answer[1]["retry-after"] == "1"

    waiting = []
    for _ in range(6):
        connection = socket.create_connection(("127.0.0.1", limited.ports["gateway"]), timeout=30, source_address=("127.0.0.7", 0))
        connection.sendall(request_bytes(b'{"model":"thinks","messages":[]}', path="/plain/x"))
        waiting.append(connection)
    wait_until(lambda: limited.gateway.metric("prismguard_gateway_in_flight") == 6, what="six are under way")
    refused = limited.gateway.metric("prismguard_gateway_errors_total", error="overloaded")
    lines = len(limited.gateway.events("limit_met", limit="in_flight"))
    for _ in range(3):
        meet()
    assert limited.gateway.metric("prismguard_gateway_errors_total", error="overloaded") == refused + 3
    wait_until(lambda: meet() or len(limited.gateway.events("limit_met", limit="in_flight")) > lines + 1, what="the next event")
    assert limited.gateway.events("limit_met", limit="in_flight")[-1]["suppressed"] >= 2
    for connection in waiting:
        connection.close()
    wait_until(lambda: limited.gateway.metric("prismguard_gateway_in_flight") == 0, what="none is under way")
