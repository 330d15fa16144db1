"""A stream: relayed as it comes, paused for a slow reader, cut with one error event when the upstream dies, and never held in memory."""
import contextlib
import json
import pathlib
import socket

import pytest

from stack import RELEASE, Stack, read_answer, request_bytes
from upstream import wait_until

KIB = 1024
MIB = 1024 * 1024


def chat(model, **more):
    return json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "Hello"}], **more}).encode()


def receive_until(connection, wanted):
    data = b""
    while wanted not in data:
        more = connection.recv(65536)
        assert more, data
        data += more
    return data


def test_the_first_event_arrives_before_the_upstream_goes_on(stack, upstream):
    with stack.connect() as connection:
        connection.sendall(request_bytes(chat("gated")))
        assert b"text/event-stream" in receive_until(connection, b'"content": "first"').lower()
        upstream.gate.set()
        receive_until(connection, b"data: [DONE]\n\n\r\n0\r\n\r\n")


def test_a_client_that_leaves_closes_its_upstream(stack, upstream):
    with stack.connect() as connection:
        connection.sendall(request_bytes(chat("leaves")))
        receive_until(connection, b"first")
    assert upstream.wait_for(1)[0].closed_by_peer.wait(5)


def test_an_upstream_that_dies_gives_one_error_event_and_never_a_clean_end(stack, upstream):
    with stack.connect() as connection:
        connection.sendall(request_bytes(chat("dies")))
        data = receive_until(connection, b"chat.comp")
        upstream.gate.set()
        data += read_to_end(connection)
    assert data.count(b'"error"') == 1
    event = data[data.index(b'data: {"error"'):]
    assert json.loads(event[6:event.index(b"\n\n")])["error"]["message"]
    assert b"[DONE]" not in data
    assert not data.endswith(b"0\r\n\r\n")


def read_to_end(connection):
    data = b""
    while True:
        try:
            more = connection.recv(65536)
        except ConnectionResetError:
            return data
        if not more:
            return data
        data += more


def test_an_upstream_that_cannot_be_reached_is_a_502_in_the_client_s_dialect(upstream, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    stack = Stack(tmp_path, upstream, review=False, route=f"""
  - path: /nowhere
    upstream: http://127.0.0.1:{port}
    from: openai_chat
    moderation: default""")
    try:
        status, _, body = stack.post(chat("stream"), path="/nowhere/v1/chat/completions")
        assert status == 502 and json.loads(body)["error"]["code"] == "bad_gateway"
        assert str(port) not in body.decode()
    finally:
        stack.close()


def test_a_reader_that_stalls_pauses_its_upstream_and_is_cut(upstream, tmp_path):
    stack = Stack(tmp_path, upstream, review=False, limits="\n    write_stall: 2s")
    try:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", stack.ports["gateway"]))
            connection.sendall(request_bytes(chat("flood", bytes=1024 * MIB)))
            exchange = upstream.wait_for(1)[0]
            assert exchange.closed_by_peer.wait(20)
        assert exchange.sent_bytes < 64 * MIB, "the upstream was not paused"
        assert stack.gateway.metric("prismguard_gateway_relay_pauses_total") >= 1
        wait_until(lambda: stack.gateway.metric("prismguard_gateway_streams") == 0, what="no stream left")
    finally:
        stack.close()


def unread_bytes(port):
    """What the kernel has taken from the server on this port of IPv4's loopback and its client has not read, of all connections."""
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[4].partition(":")[2], 16) for row in rows if int(row[2].partition(":")[2], 16) == port)


def test_the_kernel_holds_little_of_an_answer_whose_reader_has_stopped(upstream, tmp_path):
    """Of one that was fast for long before: left alone the kernel's buffer grows with the speed, to half a megabyte here."""
    stack = Stack(tmp_path, upstream, review=False, limits="\n    upstream_buffer: 32KiB")
    try:
        with stack.connect() as connection:
            connection.sendall(request_bytes(chat("flood", bytes=1024 * MIB)))
            received, room = 0, bytearray(MIB)
            while received < 64 * MIB:
                received += connection.recv_into(room)
            seen = []

            def stands_still():
                seen.append(unread_bytes(upstream.port))
                return len(seen) > 10 and seen[-10:].count(seen[-1]) == 10 and seen[-1] > 0
            wait_until(stands_still, what="neither reads")
            assert seen[-1] <= 2 * 32 * KIB
    finally:
        stack.close()


@pytest.mark.parametrize("model", ["endless", "flood"])
def test_a_gigabyte_passes_and_memory_stays_flat(upstream, tmp_path, model):
    """The audit's first finding: the predecessor kept everything up to the next blank line."""
    total = 1024 * MIB
    stack = Stack(tmp_path, upstream, review=False, programs=RELEASE)
    try:
        assert stack.chat("warm up")[0] == 200
        before = stack.gateway.memory_kib()
        with stack.connect() as connection:
            connection.sendall(request_bytes(chat(model, bytes=total), close=True))
            received, room = 0, bytearray(MIB)
            while count := connection.recv_into(room):
                received += count
        assert received >= total
        assert stack.gateway.memory_kib("VmHWM") - before < 4 * 1024, "KiB more than before the stream"
    finally:
        stack.close()


def test_a_live_stream_holds_no_more_than_20_kib(upstream, tmp_path):
    stack = Stack(tmp_path, upstream, review=False, programs=RELEASE, limits="""
    connections_per_address: 400
    upstream_connections: 400""")
    with contextlib.ExitStack() as connections:
        connections.callback(stack.close)

        def open_streams(count):
            for _ in range(count):
                connection = connections.enter_context(stack.connect())
                connection.sendall(request_bytes(chat("leaves")))
                receive_until(connection, b"first")
            return stack.gateway.memory_kib()
        before = open_streams(20)
        assert open_streams(300) - before <= 20 * 300
        assert stack.gateway.metric("prismguard_gateway_streams") == 320


def test_a_plain_answer_above_its_bound_is_a_502_or_breaks(upstream, tmp_path):
    stack = Stack(tmp_path, upstream, review=False, limits="\n    response_bytes: 1KiB")
    try:
        status, _, body = stack.chat("Hello")
        assert status == 200 and len(body) < 1024
        with stack.connect() as connection:
            connection.sendall(request_bytes(json.dumps({
                "model": "large", "messages": [{"role": "user", "content": "x"}]}).encode(), close=True))
            status, _, body = read_answer(connection)
        assert status == 502 and b"y" * 100 not in body
    finally:
        stack.close()
