"""Upstreams right and wrong on the wire: bytes pass unchanged in every cut, and what is no whole answer never looks like one."""
import contextlib
import http.client
import itertools
import json
import pathlib
import subprocess
import sys
import threading
import time

import pytest

from raw_upstream import RawUpstream, announced, chunked
from stack import RELEASE, Stack, request_bytes

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors"
PATHS = {"chat": "/raw/v1/chat/completions", "responses": "/raw/v1/responses", "claude": "/raw/v1/messages",
         "gemini": "/raw/v1beta/models/m:streamGenerateContent?alt=sse"}
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"  # or the next request might meet the end of this connection
JSON = b"Content-Type: application/json\r\n"
HELD_BYTES_MAX, HELD_S = 65536, 10  # DELAY_BYTES_MAX and DELAY_MS of proto/limits.h


@pytest.fixture(scope="module")
def raw():
    raw = RawUpstream()
    yield raw
    raw.close()


@pytest.fixture(scope="module")
def stack(raw, tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("raw"), raw, review=False, moderators=0, limits="\n    response_bytes: 64KiB", route=f"""
  - path: /raw
    upstream: {raw.url}
    moderation: none""")
    yield stack
    stack.close()


@contextlib.contextmanager
def asking(stack, raw):
    client = http.client.HTTPConnection("127.0.0.1", stack.ports["gateway"], timeout=30)

    def asked(answer, dialect="chat"):
        raw.answer = answer
        client.request("POST", PATHS[dialect], json.dumps({"model": "m", "stream": True, "messages": []}),
                       {"Content-Type": "application/json"})
        response = client.getresponse()
        try:
            return response.status, response.read(), True
        except http.client.IncompleteRead as broken:
            client.close()
            return response.status, broken.partial, False
        finally:
            raw.wait_idle()

    yield asked
    client.close()


@pytest.fixture
def ask(stack, raw):
    """Asks through the gateway: status, body, and whether it ended cleanly. The connection is kept as long as it may be."""
    with asking(stack, raw) as asked:
        yield asked


def failures(stack):
    return sum(stack.gateway.metric("prismguard_gateway_upstream_failures_total", why=why)
               for why in ("broken", "too_large", "connect", "first_byte", "idle", "total"))


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("name", sorted(path.name for path in (VECTORS / "sse").glob("*.sse")))
def test_an_event_stream_passes_unchanged_in_every_cut(ask, name, dialect):
    body = (VECTORS / "sse" / name).read_bytes()
    sizes = [7, 1000, 16384] + ([1] if len(body) < 300 else [])
    for framed, size in itertools.product((chunked, announced), sizes):
        assert ask(framed(body, size), dialect) == (200, body, True)


def rows():
    lines = (VECTORS / "http-response" / "manifest.tsv").read_text().splitlines()[1:]
    return [(line.split("\t")[0], line.split("\t")[3]) for line in lines if line]


@pytest.mark.parametrize("name, verdict", rows())
def test_the_published_answers_get_their_verdicts(stack, ask, name, verdict):
    before = failures(stack)
    content = (VECTORS / "http-response" / name).read_bytes()
    status, body, clean = ask([content])
    is_error = status == 502 and json.loads(body)["error"]["code"] == "bad_gateway"
    if verdict in ("relay", "moderate"):
        sent = content.split(b"\r\n\r\n", 1)[1]
        whole = b"data: [DONE]" in sent  # one vector has a stream that only a close ends, without it: its bytes pass, too
        assert (status, clean) == (200, whole) and body.startswith(sent) and (b"error" in body) is not whole
    elif verdict == "accept":
        assert 200 <= status < 400
    elif verdict in ("reject", "bad-gateway"):
        assert is_error and clean
        assert failures(stack) == before + 1
    elif verdict == "truncated":
        assert status == 200 and not clean
        assert failures(stack) == before + 1
    elif verdict == "no-poison":
        assert status == 200
    else:
        assert verdict in ("incomplete", "either")
    assert ask([OK + b"Content-Length: 2\r\n\r\nok"]) == (200, b"ok", True)


def endless(piece, before=b""):
    yield before
    while True:
        yield piece


@pytest.mark.parametrize("answer", [
    lambda: endless(b"X-Field: 0123456789\r\n", OK),
    lambda: endless(b"x" * 4096, OK + b"X-Field: "),
    lambda: endless(b"x" * 4096, b"HTTP/1.1 200 "),
    lambda: endless(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    lambda: endless(b"HTTP/1.1 100 Continue\r\n\r\n"),
], ids=["fields", "field", "reason", "early-hints", "continue"])
def test_a_head_without_end_is_a_502_and_cut(stack, raw, ask, answer):
    before = failures(stack)
    status, body, clean = ask(answer())
    assert status == 502 and clean and json.loads(body)["error"]["code"] == "bad_gateway"
    assert raw.cut.acquire(timeout=30)
    assert failures(stack) == before + 1


@pytest.mark.parametrize("dialect, member", [("chat", "code"), ("responses", "code"), ("claude", "type"), ("gemini", "status")])
@pytest.mark.parametrize("answer", [
    b"", b"hello", b"HTTP/0.9 200 OK\r\n\r\n", b"HTTP/2 200 OK\r\n\r\n", b"<html>no head</html>\r\n\r\n",
    OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", OK + b"Content-Length: -2\r\n\r\nok",
    OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", OK + b"A B: c\r\nContent-Length: 2\r\n\r\nok",
    OK + JSON + b"Content-Length: 65537\r\n\r\n" + b"x" * 65537, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
])
def test_what_is_no_answer_is_a_502_in_the_client_s_dialect(stack, ask, answer, dialect, member):
    before = failures(stack)
    status, body, clean = ask([answer], dialect)
    assert status == 502 and clean
    assert json.loads(body)["error"][member] == {"code": "bad_gateway", "type": "api_error", "status": "INTERNAL"}[member]
    assert failures(stack) == before + 1


@pytest.mark.parametrize("body", [
    b"Content-Length: 9\r\n\r\n{\"a\":1}", b"Transfer-Encoding: chunked\r\n\r\n7\r\n{\"a\":1}\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{\"a\":1}\r\n0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n-7\r\n{\"a\":1}\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{\"a\":1}\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n7\r\n{\"a\":1}XX0\r\n\r\n", b"\r\n" + b"x" * 65537,
])
def test_a_body_that_is_not_whole_never_ends_cleanly(stack, ask, body):
    before = failures(stack)
    status, _, clean = ask([OK + JSON + body])
    assert status == 502 or not clean
    assert failures(stack) == before + 1


@pytest.mark.parametrize("more", [b"garbage", OK + b"Content-Length: 4\r\n\r\nevil"])
def test_what_comes_behind_an_answer_reaches_nobody(ask, more):
    for _ in range(3):
        assert ask([OK + b"Content-Length: 2\r\n\r\nok" + more]) == (200, b"ok", True)


@pytest.mark.parametrize("dialect, words", [("chat", b"data: {\"error\""), ("responses", b"event: response.failed"),
                                            ("claude", b"event: error"), ("gemini", b"data: {\"error\"")])
def test_a_stream_that_a_close_ends_between_two_events_is_told_broken(stack, ask, dialect, words):
    before = failures(stack)
    status, body, clean = ask([OK + b"Content-Type: text/event-stream\r\n\r\ndata: {}\n\n"], dialect)
    assert status == 200 and not clean and words in body
    assert failures(stack) == before + 1


@pytest.mark.parametrize("dialect", ["chat", "responses", "claude", "gemini"])
def test_an_event_without_end_is_cut_where_events_are_looked_into(raw, tmp_path, dialect):
    stack = Stack(tmp_path, raw, review=False, moderators=0, limits="\n    sse_event: 4KiB", route=f"""
  - path: /raw
    upstream: {raw.url}
    moderation: none""")
    try:
        raw.answer = endless(b"x" * 1024, OK + b"Content-Type: text/event-stream\r\n\r\ndata: ")
        status, _, body = stack.post(json.dumps({"model": "m", "messages": []}).encode(), PATHS[dialect])
        assert status == 200 and b"the upstream sent more than it may" in body
        assert raw.cut.acquire(timeout=30)
        assert stack.gateway.metric("prismguard_gateway_streams_ended_total", end="too_large") == 1
    finally:
        stack.close()


@pytest.fixture(scope="module")
def held(raw, tmp_path_factory):
    """A gateway that holds the heads of streams."""
    stack = Stack(tmp_path_factory.mktemp("held"), raw, review=False, moderators=0, route=f"""
  - path: /raw
    upstream: {raw.url}
    delay_stream_header: true
    moderation: none""")
    yield stack
    stack.close()


CONTENT = {"chat": b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n',
           "responses": b'data: {"type":"response.output_text.delta","delta":"x"}\n\n',
           "claude": b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}\n\n',
           "gemini": b'data: {"candidates":[{"content":{"parts":[{"text":"x"}]}}]}\n\n'}
QUOTA = {"chat": b'data: {"error":{"code":"insufficient_quota"}}\n\n',
         "responses": b'event: error\ndata: {"type":"error","error":{"code":"insufficient_quota"}}\n\n',
         "claude": b'event: error\ndata: {"type":"error","error":{"type":"rate_limit_error"}}\n\n',
         "gemini": b'data: {"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}\n\n'}


@pytest.mark.parametrize("dialect", PATHS)
def test_a_held_head_comes_with_the_first_content(held, raw, dialect):
    body = b": ping\n\n" * 10 + CONTENT[dialect] + b"data: {}\n\n"
    with asking(held, raw) as asked:
        assert asked(chunked(body, 5), dialect) == (200, body, True)


@pytest.mark.parametrize("dialect", PATHS)
def test_a_stream_without_content_is_a_502(held, raw, dialect):
    raw.answer = chunked(b": ping\n\ndata: {}\n\n", 5)
    status, _, body = held.post(json.dumps({"model": "m"}).encode(), PATHS[dialect])
    assert status == 502 and "before it had content" in json.loads(body)["error"]["message"]


@pytest.mark.parametrize("dialect", PATHS)
def test_a_stream_that_begins_with_an_error_is_that_error(held, raw, dialect):
    raw.answer = [OK + b"Content-Type: text/event-stream\r\nRetry-After: 21\r\n\r\n" + QUOTA[dialect]]
    status, fields, body = held.post(json.dumps({"model": "m"}).encode(), PATHS[dialect], [("x-request-id", "mine-1")])
    assert status == 429 and "error" in json.loads(body)
    assert fields["retry-after"] == "21" and fields["x-request-id"] == "mine-1"


@pytest.mark.parametrize("short, status", [(1, 502), (0, 200), (-1, 200)])
def test_a_head_is_held_for_so_many_bytes_and_no_more(held, raw, short, status):
    body = b":" * (HELD_BYTES_MAX - short)
    with asking(held, raw) as asked:
        answer = asked(announced(body, 5000))
        assert answer[0] == status and (status != 200 or answer == (200, body, True))


def test_a_head_is_held_for_so_long_and_no_longer(held, raw):
    """What was held comes with it, and what follows passes at once."""
    begun, heard = time.monotonic(), threading.Event()

    def pieces():
        yield OK + b"Content-Type: text/event-stream\r\n\r\n: ping\n\n"
        heard.wait(30)
        yield b"data: [DONE]\n\n"

    raw.answer = pieces()
    with held.connect() as client:
        client.sendall(request_bytes(json.dumps({"model": "m", "stream": True, "messages": []}).encode(), PATHS["chat"], close=True))
        data = b""
        while b": ping" not in data:
            data += client.recv(65536)
        assert data.startswith(b"HTTP/1.1 200 ") and time.monotonic() - begun >= HELD_S
        heard.set()
        while more := client.recv(65536):
            data += more
    assert data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def test_memory_stays_flat_under_hostile_upstreams():
    command = [sys.executable, VECTORS.parent / "bench" / "hostile", "5", "--programs", RELEASE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
