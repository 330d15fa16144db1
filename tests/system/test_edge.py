"""The strict edge: every published and every own case of HTTP gets its verdict from the live gateway; nothing refused goes on."""
import contextlib
import re
import select
import socket

import pytest

from stack import ROOT, Stack

VECTORS = ROOT / "tests/vectors"
ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}
# The manifest calls these unfinished; they have no Host: they are refused sooner.
REFUSED_EARLY = {"llhttp/transfer-encoding-Chunk_extensions.bin", "llhttp/transfer-encoding-Chunk_extensions_quoting.bin"}
REFUSED = {400, 408, 411, 413, 414, 417, 431, 501, 505}


@pytest.fixture(scope="module")
def edge(upstream, tmp_path_factory):
    """A gateway whose every path leads to the upstream, judged or not: what is taken arrives there."""
    stack = Stack(tmp_path_factory.mktemp("edge"), upstream, review=False, moderators=0, route=f"""
  - path: /
    upstream: {upstream.url}
    moderation: none""")
    yield stack
    stack.close()


def unescape(text):
    return re.sub(r"\\(x(..)|.)", lambda m: chr(int(m[2], 16)) if m[2] else ESCAPES[m[1]], text).encode("latin-1")


def corpus():
    rows = [line.split("\t") for line in (VECTORS / "http-request/manifest.tsv").read_text().splitlines()[1:]]
    for name, _, _, verdict, *_ in rows:
        data = (VECTORS / "http-request" / name).read_bytes()
        yield name, "reject" if name in REFUSED_EARLY else verdict, data


def own_cases():
    verdicts = {"none": "accept", "more": "incomplete"}
    for line in (VECTORS / "http-strict/cases.tsv").read_text().splitlines()[1:]:
        rule, text, what = line.split("\t")
        yield what, verdicts.get(rule, "reject"), unescape(text)


def final_head(data):
    """What follows the interim answers, once its head is whole; else nothing."""
    while data.startswith(b"HTTP/1.1 100"):
        data = data.partition(b"\r\n\r\n")[2]
    return data if b"\r\n\r\n" in data else b""


def status_of(stack, pieces, ended):
    """The status of the first final answer; 0 when the connection was closed without one. `ended`: the client ends its side before
    it listens. Whatever the gateway does with these bytes, it has done when this returns: a connection is read to its end."""
    data = b""
    with stack.connect() as connection, contextlib.suppress(ConnectionError):
        for piece in pieces:
            if not ended and select.select([connection], [], [], 0)[0]:
                data += connection.recv(65536)
                if final_head(data):
                    break  # it may be closing: what is sent now could cost the answer
            connection.sendall(piece)
        while not ended and not final_head(data) and (more := connection.recv(65536)):
            data += more
        connection.shutdown(socket.SHUT_WR)
        while more := connection.recv(65536):
            data += more
    head = final_head(data)
    return int(head.split(b" ", 2)[1]) if head else 0


def refused(stack, upstream, cases, cut):
    """Those that must be refused and were not, and those of which anything went on."""
    wrong = []
    for name, data in cases:
        status = status_of(stack, cut(data), ended=True)
        if status not in REFUSED | {0}:
            wrong.append((name, status))
        if stack.post(b"{}", path="/plain/after")[0] != 200:
            wrong.append((name, "the request after it was not answered"))
        if [exchange.path for exchange in upstream.exchanges] != ["/after"]:
            wrong.append((name, "a byte of it went on"))
        upstream.forget()
    return wrong


CUTS = {
    "whole": lambda data: [data],
    "in two": lambda data: [data[:len(data) // 2], data[len(data) // 2:]],
    "byte by byte": lambda data: [data[at:at + 1] for at in range(min(len(data), 400))] + [data[400:]],
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("cases", [corpus, own_cases])
def test_every_case_of_http_gets_its_verdict_and_nothing_refused_goes_on(edge, upstream, cases, cut):
    found = list(cases())
    assert len(found) == 220 or len(found) > 1000
    cut = CUTS[cut]
    assert refused(edge, upstream, [(name, data) for name, verdict, data in found if verdict not in ("accept", "either")], cut) == []
    taken = [(name, status_of(edge, cut(data), ended=False)) for name, verdict, data in found if verdict == "accept"]
    assert [(name, status) for name, status in taken if status in REFUSED | {0}] == []
    for _, verdict, data in found:
        if verdict == "either":
            status_of(edge, cut(data), ended=True)
    assert edge.post(b"{}", path="/plain/after")[0] == 200
    edge.gateway.wait_rest()
    upstream.wait_read(edge.gateway)  # what was sent for a client that has left is nobody's afterwards


def test_a_request_is_rebuilt_from_checked_values(edge, upstream):
    with edge.connect() as connection:
        connection.sendall(b"POST /plain/x?a=b HTTP/1.1\r\nHoSt:\tgw.test\r\nX-A:\t a b \t\r\nX-B: 1\r\nConnection: x-b, close\r\nTE: trailers\r\n"
                           b"Trailer: X-T\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n2;q=z\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: y\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
    exchange = upstream.wait_for(1)[0]
    assert exchange.path == "/x?a=b" and exchange.body == b"hello"
    assert exchange.field("X-A") == ["a b"] and exchange.field("content-length") == ["5"]
    names = {name.lower() for name, _ in exchange.fields}
    assert not names & {"x-b", "transfer-encoding", "te", "trailer", "x-t", "x-forwarded-for", "forwarded", "x-real-ip", "connection"}


def test_requests_before_the_end_of_a_client_s_side_are_all_answered(edge, upstream):
    request = b"POST /plain/%d HTTP/1.1\r\nHost: gateway\r\nContent-Length: 2\r\n\r\n{}"
    data = b""
    with edge.connect() as connection:
        connection.sendall(b"".join(request % number for number in range(3)) + b"GET /plain/unfinished HTTP/1.1\r\nHost: ga")
        connection.shutdown(socket.SHUT_WR)
        while more := connection.recv(65536):
            data += more
    assert data.count(b"HTTP/1.1 200") == 3
    assert [exchange.path for exchange in upstream.exchanges] == ["/0", "/1", "/2"]


@pytest.mark.parametrize("path", ["/openai", "//openai", "/%6fpenai", "/open%61i", "/openai;a=b", "/;a/openai", "//%6Fpenai;//"])
def test_no_other_spelling_of_a_path_leads_past_its_route(edge, upstream, path):
    """The route / judges nothing and has the same upstream; nobody judges here, so that what is to be judged is refused."""
    status, _, body = edge.post(b'{"model":"m","messages":[{"role":"user","content":"a"}]}', path=f"{path}/v1/chat/completions")
    assert status == 503 and b"moderation_unavailable" in body
    assert not upstream.exchanges
