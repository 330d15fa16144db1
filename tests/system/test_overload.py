"""Overload by real pressure, a lack of descriptors, and threads that hang: what is given up, what is not, and that it ends by itself."""
import contextlib
import ctypes
import os
import pathlib
import resource
import signal
import socket

import pytest

from stack import Stack, read_answer, request_bytes
from upstream import PATIENCE_S, wait_until

BODY_BYTES = 300 * 1024
PTRACE_SEIZE, PTRACE_INTERRUPT, WAIT_ALL = 0x4206, 0x4207, 0x40000000


@contextlib.contextmanager
def running(folder, upstream, **options):
    stack = Stack(folder, upstream, review=False, moderators=0, **options)
    try:
        yield stack
    finally:
        stack.close()


def stage(stack):
    return stack.gateway.metric("prismguard_gateway_overload_stage")


def wait_stage(stack, wanted, what):
    wait_until(lambda: wanted(stage(stack)), what=f"{what}: {[line for line in stack.gateway.events('overload_stage')]}")


def begin_body(stack, held):
    """A request that has sent all of its body but the last `held` bytes."""
    connection = stack.connect()
    connection.sendall(request_bytes(b"x" * BODY_BYTES, path="/plain/x", close=True)[:-held])
    return connection


def test_bodies_that_fill_their_budget_lead_to_refusals_and_back(tmp_path, upstream):
    limits = f"\n    request_bytes: 512KiB\n    moderated_text: 64KiB\n    body_budget: {4 * BODY_BYTES}B"
    with running(tmp_path, upstream, limits=limits) as stack:
        idle = stack.connect()
        idle.sendall(request_bytes(b"{}", path="/plain/x"))
        assert idle.recv(12) == b"HTTP/1.1 200"
        slow = [begin_body(stack, 1) for _ in range(4)]  # all but four bytes of the budget
        wait_stage(stack, lambda now: now >= 3, "new requests are refused")
        assert stack.gateway.metric("prismguard_gateway_overload_signal_percent", signal="bodies") >= 96
        for path, status, kind in (("/plain/v1/chat/completions", 503, b"overloaded"), ("/plain/v1/messages", 529, b"overloaded_error")):
            answer = stack.post(b"{}", path=path)
            assert answer[0] == status and kind in answer[2] and b"the gateway is overloaded" in answer[2]
            assert 1 <= int(answer[1]["retry-after"]) <= 4
        with idle:  # kept for 30 s by the settings
            idle.settimeout(10)
            while idle.recv(65536):
                pass
        assert stack.gateway.get("/healthz")[0] == 200
        assert stack.gateway.metric("prismguard_gateway_overload_shed_total", what="requests") >= 2
        for connection in slow:  # what is in flight is not given up
            connection.sendall(b"x")
            assert read_answer(connection)[0] == 200
            connection.close()
        wait_stage(stack, lambda now: now == 0, "over")
        assert stack.post(b"{}", path="/plain/x")[0] == 200
        changes = wait_until(lambda: stack.gateway.events("overload_stage", stage=0) and stack.gateway.events("overload_stage"),
                             what="written down")
        assert "bodies" in {line["signal"] for line in changes if line["stage"] > 0}  # and, on a busy machine, lag
        assert stack.gateway.metric("prismguard_gateway_request_seconds_count", stage="refused") >= 2


def test_stalled_streams_are_pressure_and_the_largest_go(tmp_path, upstream):
    limits = "\n    stream_budget: 1MiB\n    write_stall: 60s"
    with running(tmp_path, upstream, limits=limits) as stack, contextlib.ExitStack() as clients:
        def cut():
            return stack.gateway.metric("prismguard_gateway_connections_closed_total", reason="stream_budget") + \
                stack.gateway.metric("prismguard_gateway_connections_closed_total", reason="overload")

        for _ in range(20):  # of 64 KiB and more each; none reads
            connection = clients.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", stack.ports["gateway"]))
            connection.sendall(request_bytes(b'{"model":"flood","stream":true,"bytes":1000000000}', path="/plain/x"))
        wait_stage(stack, lambda now: now >= 1, "streams of which nothing is taken")
        wait_until(cut, what="the largest is cut")
        assert stack.gateway.get("/healthz")[0] == 200
        clients.close()
        wait_stage(stack, lambda now: now == 0, "over")
        assert stack.post(b"{}", path="/plain/x")[0] == 200


def open_descriptors(process):
    return sorted(int(name) for name in os.listdir(f"/proc/{process}/fd"))


def test_a_flood_of_connections_leaves_descriptors_for_everything_else(tmp_path, upstream):
    with running(tmp_path, upstream, through=("prlimit", "--nofile=256:256"), limits="\n    connections_per_address: 1000") as stack, \
            contextlib.ExitStack() as clients:
        few = stack.gateway.events("descriptors_few")[0]
        assert few["limit"] == 256 and few["connections"] == 75  # of 100, a quarter to be told
        for _ in range(400):
            clients.enter_context(stack.connect()).sendall(b"POST /plain/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        wait_until(lambda: stack.gateway.metric("prismguard_gateway_connections") == 100, what="no more than its part")
        wait_until(lambda: stack.gateway.metric("prismguard_gateway_http_rejected_total", rule="connections") >= 25, what="told")
        assert len(open_descriptors(stack.gateway.process.pid)) < 200
        assert stack.gateway.get("/healthz")[0] == 200
        clients.close()
        wait_until(lambda: stack.gateway.metric("prismguard_gateway_connections") == 0, what="all are gone")
        assert stack.post(b"{}", path="/plain/x")[0] == 200
        assert stack.gateway.events("accept_failed") == []


def test_without_descriptors_accepting_pauses_and_health_answers(tmp_path, upstream):
    with running(tmp_path, upstream) as stack, contextlib.ExitStack() as clients:
        process = stack.gateway.process.pid
        assert stack.post(b"{}", path="/plain/x")[0] == 200
        before = resource.prlimit(process, resource.RLIMIT_NOFILE)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (open_descriptors(process)[-1] + 1, before[1]))
        waiting = [clients.enter_context(stack.connect()) for _ in range(32)]  # more than there are holes
        for connection in waiting:
            connection.sendall(request_bytes(b"{}", path="/plain/x", close=True))
        wait_stage(stack, lambda now: now == 4, "no connection is accepted")
        assert stack.gateway.events("overload_stage", stage=4)[0]["signal"] == "descriptors"
        assert stack.gateway.get("/healthz")[0] == 200
        resource.prlimit(process, resource.RLIMIT_NOFILE, before)
        statuses = [read_answer(connection)[0] for connection in waiting]  # some could be taken, and had no upstream
        assert set(statuses) <= {200, 502} and 200 in statuses
        wait_stage(stack, lambda now: now == 0, "over")
        assert stack.post(b"{}", path="/plain/x")[0] == 200


def stop_thread(process, name):
    """Stops one thread of a process, as a debugger does; its id. It goes with its process."""
    task = next(task for task in pathlib.Path(f"/proc/{process}/task").iterdir() if (task / "comm").read_text().strip() == name)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, int(task.name), None, None) != 0:
            pytest.skip("no thread can be stopped here: " + os.strerror(ctypes.get_errno()))
    return int(task.name)


@pytest.mark.parametrize("name", ["loop", "pool"])
def test_a_thread_that_hangs_fails_liveness_and_then_ends_the_process(tmp_path, upstream, name):
    stack = Stack(tmp_path, upstream, review=False, moderators=0)
    gateway = stack.gateway
    thread = stop_thread(gateway.process.pid, name)
    seen = []
    wait_until(lambda: seen.append(gateway.get("/healthz")[0]) or seen[-1] != 200, what="not alive")
    assert seen[-1] == 503 and gateway.process.poll() is None  # before it ends itself
    while os.WIFSTOPPED(os.waitpid(thread, WAIT_ALL)[1]):
        pass
    assert gateway.process.wait(PATIENCE_S) == -signal.SIGABRT
    assert [line["thread"] for line in gateway.events("thread_stuck")] == [name]


def test_a_process_that_was_stopped_goes_on(tmp_path, upstream):
    """Longer than a thread may hang: nobody has seen it hang."""
    with running(tmp_path, upstream) as stack:
        gateway = stack.gateway
        gateway.process.send_signal(signal.SIGSTOP)
        begun = pathlib.Path("/proc/uptime").read_text().split()[0]
        wait_until(lambda: float(pathlib.Path("/proc/uptime").read_text().split()[0]) > float(begun) + 6, what="six seconds")
        gateway.process.send_signal(signal.SIGCONT)
        samples = gateway.metric("prismguard_uptime_seconds")
        wait_until(lambda: gateway.metric("prismguard_uptime_seconds") > samples + 1, what="it turns")
        assert stack.post(b"{}", path="/plain/x")[0] == 200
        assert gateway.get("/healthz")[0] == 200 and gateway.events("thread_stuck") == []
