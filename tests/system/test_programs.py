"""Every program: its command line, its settings check, its admin port, its log lines, its end."""
import json
import os
import pathlib
import re
import signal
import socket
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


def test_compose_s_gateway_fits_its_container():
    """It would not start otherwise; its bound grows with every default and every structure that it is made of."""
    root = pathlib.Path(__file__).parents[2]
    mem_limit = re.search(r"x-service:.*?mem_limit: (\d+)g\n", (root / "docker-compose.yml").read_text(), re.DOTALL)
    told = run("gateway", "--check", root / "deploy/compose/prismguard.yaml").stdout
    assert 0 < int(re.search(r"At most (\d+) MiB", told).group(1)) <= int(mem_limit.group(1)) * 1024


@pytest.mark.parametrize("program", PROGRAMS)
def test_check_reads_the_files_of_keys(program, tmp_path):
    (tmp_path / "hash").write_text("a key for hashes")
    (tmp_path / "profiles/p").mkdir(parents=True)
    (tmp_path / "profiles/p/keywords.txt").write_text("word\n")
    file = tmp_path / "keys.yaml"
    file.write_text(f"""
routes: [{{ path: /a, upstream: "http://127.0.0.1:1", moderation: p }}]
gateway: {{ allow_private_upstreams: true }}
profiles: {{ p: {{ keywords: [keywords.txt] }} }}
database: {{ url: "postgresql://nobody@127.0.0.1/none", hash_key_file: {tmp_path}/hash }}
""")
    checked = run(program, "--check", file)
    assert checked.returncode == 0, checked.stderr


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


@pytest.mark.parametrize("arguments", [["--check"], ["--config"]])
def test_a_gateway_without_a_route_says_so_and_does_not_start(tmp_path, arguments):
    file = tmp_path / "empty.yaml"
    file.write_text("")
    checked = run("gateway", *arguments, file)
    assert checked.returncode == 1 and f"{file}: routes: missing; " in checked.stderr
    assert run("moderator", "--check", file).returncode == 0, "the routes are the gateway's"


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


GEMINI = json.dumps({"contents": [{"parts": [{"text": "Hello"}]}]}).encode()
CHAT = {"model": "rests", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
STREAMS = {  # of each dialect: path, request, and how the gateway's error event begins
    "chat": ("/any/v1/chat/completions", json.dumps(CHAT).encode(), b'data: {"error":'),
    "responses": ("/any/v1/responses", b'{"model":"rests","input":"Hello","stream":true}', b'event: error\ndata: {"type":"error"'),
    "claude": ("/any/v1/messages", json.dumps({**CHAT, "max_tokens": 9}).encode(), b'event: error\ndata: {"type":"error"'),
    "gemini": ("/any/v1beta/models/rests:streamGenerateContent?alt=sse", GEMINI, b'data: {"error":'),
    "gemini array": ("/any/v1beta/models/rests:streamGenerateContent", GEMINI, b""),  # broken off: an open array says it
}


@pytest.fixture
def draining(upstream, tmp_path):
    """A gateway that has been told to end while a stream of each dialect runs; the streams' connections by name."""
    from stack import Stack, request_bytes
    from test_stream import receive_until

    def begin(drain):
        stack = Stack(tmp_path, upstream, review=False, route=f"""
  - path: /any
    upstream: {upstream.url}
    moderation: default""")
        begun.append(stack)
        stack.config.write_text(stack.config.read_text().replace("drain: 5s", f"drain: {drain}"))
        stack.gateway.process.send_signal(signal.SIGHUP)
        stack.gateway.wait_event("config_reloaded")
        for name, (path, body, _) in STREAMS.items():
            connection = stack.connect()
            connection.sendall(request_bytes(body, path=path))
            receive_until(connection, b"two" if name != "chat" else b"first")
            connections[name] = connection
        stack.gateway.process.terminate()
        stack.gateway.wait_event("draining")
        return stack, connections

    begun, connections = [], {}
    yield begin
    for connection in connections.values():
        connection.close()
    for stack in begun:
        stack.close()


def test_sigterm_ends_the_gateway_after_running_streams_finish_in_each_dialect(draining, upstream):
    from test_stream import read_to_end
    stack, connections = draining("30s")
    status, why = stack.gateway.get("/readyz")
    assert status == 503 and "shutting down" in why
    upstream.gate.set()
    for name, connection in connections.items():
        data = read_to_end(connection)
        assert data.endswith(b"\r\n0\r\n\r\n") and b'"error":{' not in data, (name, data)
    assert stack.gateway.process.wait(10) == 0


def test_a_stream_that_outlives_the_drain_ends_with_an_error_event_in_each_dialect(draining):
    from test_stream import read_to_end
    stack, connections = draining("1s")
    for name, connection in connections.items():
        data = read_to_end(connection)
        assert data.count(STREAMS[name][2]) == 1 or not STREAMS[name][2], (name, data)
        assert not data.endswith(b"0\r\n\r\n"), (name, data)
    assert stack.gateway.process.wait(10) == 0
    ended = stack.gateway.events("request_done")
    assert len(ended) == len(STREAMS)


def test_a_client_that_ends_its_side_after_its_request_is_answered_and_closed(stack):
    from stack import request_bytes
    body = json.dumps({"model": "answer", "messages": [{"role": "user", "content": "Hello"}]}).encode()
    with stack.connect() as connection:
        connection.sendall(request_bytes(body))
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200 ") and b"hello from upstream" in answer and b"onnection: close" in answer


def test_an_address_in_use_is_said_with_the_address(stack):
    port = stack.ports["gateway_admin"]
    for name, where in (("moderator", "PRISMGUARD_MODERATOR_ADMIN_LISTEN"), ("gateway", "PRISMGUARD_GATEWAY_ADMIN_LISTEN")):
        variables = {**os.environ, where: f"127.0.0.1:{port}", "PRISMGUARD_GATEWAY_LISTEN": "127.0.0.1:0",
                     "PRISMGUARD_MODERATION_BIND": "tcp://127.0.0.1:0"}
        failed = subprocess.run([SANITIZED / f"prismguard-{name}", "--config", stack.config], capture_output=True, text=True,
                                timeout=30, env=variables)
        assert failed.returncode == 1
        assert f"prismguard-{name}: cannot listen for admins on 127.0.0.1:{port}: the address is in use\n" in failed.stderr


def test_a_second_gateway_takes_no_share_of_the_first_one_s_clients(stack):
    """Listeners share a port by SO_REUSEPORT; those of another process must not slip in."""
    variables = {**os.environ, "PRISMGUARD_GATEWAY_ADMIN_LISTEN": "off", "PRISMGUARD_MODERATION_BIND": "tcp://127.0.0.1:0"}
    failed = subprocess.run([SANITIZED / "prismguard-gateway", "--config", stack.config], capture_output=True, text=True, timeout=30,
                            env=variables)
    assert failed.returncode == 1
    assert f"cannot listen on 127.0.0.1:{stack.ports['gateway']}: the address is in use\n" in failed.stderr


def test_a_variable_that_is_no_setting_is_warned_of_in_the_log_s_own_form(tmp_path):
    file = tmp_path / "prismguard.yaml"
    file.write_text("gateway: { listen: \"127.0.0.1:0\", admin_listen: off, limits: { drain_lead: 0s } }\n"
                    "moderation: { bind: \"tcp://127.0.0.1:0\" }\nroutes: []\n")
    variables = {**os.environ, "PRISMGUARD_GATEWAY_THREAD": "2", "PRISMGUARD_PORTS": "18000"}
    with subprocess.Popen([SANITIZED / "prismguard-gateway", "--config", file], stderr=subprocess.PIPE, text=True,
                          env=variables) as gateway:
        lines = []
        for line in gateway.stderr:
            lines.append(json.loads(line))
            if lines[-1]["event"] == "ready":
                gateway.terminate()
        assert gateway.wait(30) == 0
    warned = [line for line in lines if line["event"] == "environment_unknown"]
    assert [(line["level"], line["variables"]) for line in warned] == [("warn", "PRISMGUARD_GATEWAY_THREAD")]
