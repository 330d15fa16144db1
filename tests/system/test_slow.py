"""Slow clients and oversized requests, played from tests/vectors/slow: each ends by its limit, and the gateway serves on."""
import base64
import contextlib
import json
import re
import select
import socket
import time

import pytest

from stack import ROOT, Stack
from upstream import PATIENCE_S, wait_until

VECTORS = ROOT / "tests/vectors/slow"
PROFILES = {profile["name"]: profile for profile in json.loads((VECTORS / "profiles.json").read_text())}
LIMITS = json.loads((VECTORS / "limits.json").read_text())
FASTER = 20
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def slow(upstream, tmp_path_factory):
    """The defaults, 20 times as fast."""
    stack = Stack(tmp_path_factory.mktemp("slow"), upstream, review=False, moderators=0, route=f"""
  - path: /
    upstream: {upstream.url}
    moderation: none""", limits="""
    header_time: 500ms
    body_time: 1500ms
    keep_alive: 1500ms
    write_stall: 1500ms""")
    yield stack
    stack.close()


def is_closed(connection, seconds):
    """Whether the gateway closes within this time; what it says before is read."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([connection], [], [], left)[0]:
            try:
                if not connection.recv(65536):
                    return True
            except ConnectionError:
                return True
    return False


def play(connection, profile):
    """Plays the steps until the gateway ends the connection. True when it did."""
    # Held back until the end of input comes along: behind an answer it is that of a client that leaves.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, any("shutdown" in step for step in profile["steps"]))
    for step in profile["steps"]:
        if "send_b64" in step:
            connection.sendall(base64.b64decode(step["send_b64"]))
        elif "wait_ms" in step:
            return is_closed(connection, PATIENCE_S)
        elif "drip_b64" in step:
            for _ in range(step["times"]):
                if is_closed(connection, step["every_ms"] / 1000 / FASTER):
                    return True
                with contextlib.suppress(ConnectionError):
                    connection.sendall(base64.b64decode(step["drip_b64"]))
        elif "read_until" in step:
            data = b""
            while step["read_until"].encode() not in data:
                more = connection.recv(65536)
                assert more, data
                data += more
        elif "shutdown" in step:
            connection.shutdown(socket.SHUT_WR)
        elif "read_all" in step:
            return is_closed(connection, PATIENCE_S)
        elif "close" in step:
            connection.close()
            return True
    return False


@pytest.mark.parametrize("name,reason", [
    ("connect-silent", "header_time"), ("slowloris-headers", "header_time"), ("slow-body-1Bps", "body_time"),
    ("idle-keepalive", "idle"), ("half-close", "answer")])
def test_a_slow_client_is_ended_by_its_limit(slow, upstream, name, reason):
    profile = PROFILES[name]
    before = slow.gateway.metric("prismguard_gateway_connections_closed_total", reason=reason)
    with slow.connect() as connection:
        assert play(connection, profile), profile["expect"]
    # At least: a connection of the test before may be counted late.
    wait_until(lambda: slow.gateway.metric("prismguard_gateway_connections_closed_total", reason=reason) > before,
               what=f"counted as {reason}")
    assert slow.post(b"{}", path="/plain/x")[0] == 200
    if reason in ("header_time", "body_time"):
        wait_until(lambda: slow.gateway.events("connection_limit", reason=reason), what="written down")


def test_a_client_that_reads_too_slowly_is_cut_and_its_upstream_with_it(slow, upstream, monkeypatch):
    monkeypatch.setattr(upstream, "_script_m", lambda connection, exchange, request: upstream._script_flood(
        connection, exchange, {**request, "bytes": 1024 * MIB}), raising=False)
    before = slow.gateway.metric("prismguard_gateway_connections_closed_total", reason="write_stall")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PROFILES["slow-read"]["steps"][1]["rcvbuf"])
        connection.connect(("127.0.0.1", slow.ports["gateway"]))
        connection.sendall(base64.b64decode(PROFILES["slow-read"]["steps"][0]["send_b64"]))
        exchange = upstream.wait_for(1)[0]
        assert exchange.closed_by_peer.wait(PATIENCE_S)
    wait_until(lambda: slow.gateway.metric("prismguard_gateway_connections_closed_total", reason="write_stall") > before,
               what="counted as write_stall")


def test_a_client_that_leaves_within_a_stream_takes_its_upstream_along(slow, upstream, monkeypatch):
    monkeypatch.setattr(upstream, "_script_m", upstream._script_leaves, raising=False)
    with slow.connect() as connection:
        assert play(connection, PROFILES["fin-mid-stream"])
    assert upstream.wait_for(1)[0].closed_by_peer.wait(PATIENCE_S)


def build(rule):
    part = rule["repeat"]
    count = rule.get("bytes", rule.get("count"))
    middle = "".join(part % index for index in range(count)) if "%d" in part else part * count
    return (rule["prefix"] + middle + rule.get("suffix", "")).encode()


@pytest.mark.parametrize("index", range(len(LIMITS)))
def test_an_oversized_request_hears_its_status(slow, upstream, index):
    rule, expect = LIMITS[index]["build"], LIMITS[index]["expect"]
    data = b""
    with slow.connect() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(build(rule))
        while b"\r\n\r\n" not in data and (more := connection.recv(65536)):
            data += more
    status = int(data.split(b" ", 2)[1]) if data else 0
    allowed = {int(number) for number in re.findall(r"\b4\d\d\b", expect)} | ({0} if "close" in expect else set())
    if expect.startswith("not"):
        assert status not in allowed
    elif "over" in expect:
        assert status == 200, "below the limit"
        with slow.connect() as connection:
            connection.sendall(build({**rule, "bytes": 5000}))
            assert connection.recv(12) == b"HTTP/1.1 400"
    else:
        assert status in allowed, data[:200]
    assert slow.gateway.memory_kib("VmHWM") < 1024 * 1024
    assert slow.post(b"{}", path="/plain/x")[0] == 200
