"""Every program: its command line, its settings check, its admin port, its log lines, its end."""
import json
import subprocess

import pytest

from stack import SANITIZED

PROGRAMS = ["gateway", "moderator", "trainer"]


def run(program, *arguments):
    return subprocess.run([SANITIZED / f"prismguard-{program}", *arguments], capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_and_version(program):
    helped = run(program, "--help")
    assert helped.returncode == 0 and "--config" in helped.stdout and "--check" in helped.stdout
    versioned = run(program, "--version")
    assert versioned.returncode == 0 and versioned.stdout.startswith(f"prismguard-{program} ")
    unknown = run(program, "--bogus")
    assert unknown.returncode == 2 and "--bogus" in unknown.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_check_says_what_a_good_file_means(program, stack):
    checked = run(program, "--check", stack.config)
    assert checked.returncode == 0, checked.stderr
    assert "default" in checked.stdout


BAD = [
    ("gateway:\n  bogus: 1\n", 2, "gateway.bogus"),
    ("gateway:\n  threads: two\n", 2, "two"),
    ("gateway:\n  limits:\n    idle: 5 minutes\n", 3, "5 minutes"),
    ("gateway:\n  listen: 0.0.0.0:8080\n", 2, "open"),
    ("routes:\n  - path: /a\n    upstream: ftp://x\n", 3, "ftp://x"),
    ("routes:\n  - path: /a\n    upstream: http://x\n    moderation: nobody\n", 4, "nobody"),
    ("profiles:\n  p:\n    model: { kind: hashlinear, low: 0.9, high: 0.1 }\n", 3, "0.9"),
]


@pytest.mark.parametrize("text, line, word", BAD)
def test_check_names_file_line_key_and_what_was_found(tmp_path, text, line, word):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    checked = run("gateway", "--check", file)
    assert checked.returncode == 1
    assert f"bad.yaml:{line}:" in checked.stderr and word in checked.stderr, checked.stderr


def ask(service, question):
    """What a container's health check runs, beside the service and with its settings."""
    return subprocess.run([SANITIZED / ("prismguard-" + service.name.split("-")[0]), question, service.config], capture_output=True,
                          text=True, timeout=30, env=service.environment)


def test_health_and_ready_ask_the_running_service(upstream, tmp_path):
    from stack import Stack
    from upstream import wait_until
    stack = Stack(tmp_path, upstream, review=False)
    try:
        for service in stack.services:
            for question, said in (("--health", '{"status":"ok"}\n'), ("--ready", '{"status":"ready"}\n')):
                asked = ask(service, question)
                assert (asked.returncode, asked.stdout, asked.stderr) == (0, said, ""), service.name
        stack.moderators[0].stop()
        wait_until(lambda: ask(stack.gateway, "--ready").returncode == 1, what="a gateway without moderators is not ready")
        assert "not ready" in ask(stack.gateway, "--ready").stdout
        assert ask(stack.gateway, "--health").returncode == 0
        asked = ask(stack.moderators[0], "--health")
        assert (asked.returncode, asked.stdout) == (1, "") and "cannot ask moderator.admin_listen" in asked.stderr
    finally:
        stack.close()


def test_admin_ports_tell_health_readiness_and_metrics(stack):
    for service in stack.services:
        assert service.get("/healthz")[0] == 200
        assert service.get("/readyz")[0] == 200
        status, text = service.get("/metrics")
        assert status == 200 and "# TYPE prismguard_" in text
        assert service.get("/other")[0] == 404


def test_the_public_port_has_no_admin_paths(stack):
    for path in ("/healthz", "/readyz", "/metrics"):
        status, _, body = stack.post(b"{}", path=path)
        assert status == 404, body


def test_every_log_line_is_json_with_time_level_service_and_event(stack):
    stack.chat("Hello")
    for service in stack.services:
        text = service.log_file.read_text().splitlines()
        assert text
        for line in text:
            value = json.loads(line)
            assert {"time", "level", "service", "event"} <= set(value)


def test_sigterm_ends_the_gateway_after_a_running_stream_finishes(upstream, tmp_path):
    from stack import Stack, request_bytes
    from test_stream import chat, receive_until
    stack = Stack(tmp_path, upstream, review=False)
    try:
        with stack.connect() as connection:
            connection.sendall(request_bytes(chat("gated")))
            receive_until(connection, b"first")
            stack.gateway.process.terminate()
            stack.gateway.wait_event("draining")
            upstream.gate.set()
            receive_until(connection, b"[DONE]\n\n\r\n0\r\n\r\n")
        assert stack.gateway.process.wait(10) == 0
    finally:
        stack.close()


def test_a_stream_that_outlives_the_drain_ends_with_an_error_event(upstream, tmp_path):
    from stack import Stack, request_bytes
    from test_stream import chat, read_to_end, receive_until
    stack = Stack(tmp_path, upstream, review=False, limits="")
    stack.config.write_text(stack.config.read_text().replace("drain: 5s", "drain: 1s"))
    stack.gateway.stop()
    stack.gateway = stack._start("gateway", stack.ports["gateway_admin"]).wait_ready()
    try:
        with stack.connect() as connection:
            connection.sendall(request_bytes(chat("leaves")))
            receive_until(connection, b"first")
            stack.gateway.process.terminate()
            data = read_to_end(connection)
        assert data.count(b'"error"') == 1 and b"[DONE]" not in data and not data.endswith(b"0\r\n\r\n")
        assert stack.gateway.process.wait(10) == 0
    finally:
        stack.close()
