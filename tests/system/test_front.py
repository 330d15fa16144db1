"""In front of the gateway: the delivered HAProxy and nginx configurations with TLS, trusted proxies, and a unix socket."""
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess

import pytest

from load import PATIENT, load
from stack import ROOT, Stack, free_port, read_answer, request_bytes
from upstream import PATIENCE_S, wait_until

STREAM = json.dumps({"model": "gated", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}).encode()


@pytest.fixture(scope="module")
def trusting(upstream, tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("front"), upstream, review=False, limits="\n  trusted_proxies: [127.0.0.1]")
    yield stack
    stack.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key", "-out",
                    folder / "pem"], check=True, capture_output=True, timeout=60)
    (folder / "both").write_bytes((folder / "pem").read_bytes() + (folder / "key").read_bytes())
    return folder


def haproxy(stack, certificate, port, folder):
    environment = {**os.environ, "HAPROXY_LISTEN": f"127.0.0.1:{port}", "CERTIFICATE": str(certificate / "both"),
                   "GATEWAY": f"127.0.0.1:{stack.ports['gateway']}", "GATEWAY_ADMIN_HOST": "127.0.0.1",
                   "GATEWAY_ADMIN_PORT": str(stack.ports["gateway_admin"])}
    return ["haproxy", "-db", "-f", ROOT / "deploy/haproxy.cfg"], environment


def nginx(stack, certificate, port, folder):
    site = (ROOT / "deploy/nginx.conf").read_text()
    for old, new in (("listen 8443 ssl", f"listen 127.0.0.1:{port} ssl"), ("127.0.0.1:8080", f"127.0.0.1:{stack.ports['gateway']}"),
                     ("127.0.0.1:9090;", f"127.0.0.1:{stack.ports['gateway_admin']};"),
                     ("/etc/prismguard/tls.pem", str(certificate / "pem")), ("/etc/prismguard/tls.key", str(certificate / "key"))):
        assert old in site
        site = site.replace(old, new)
    user = "user root;" if os.geteuid() == 0 else ""
    paths = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"{user} daemon off; pid {folder}/pid; error_log {folder}/errors; events {{}} "
                                       f"http {{ access_log off; {paths}\n{site}\n}}")
    return ["nginx", "-e", folder / "errors", "-c", folder / "nginx.conf"], dict(os.environ)


@contextlib.contextmanager
def running(command, environment, port):
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(command, env=environment, stdout=nowhere, stderr=nowhere)
    try:
        def listens():
            assert process.poll() is None, f"{command} ended"
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        wait_until(listens, what=f"{command[0]} listens")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


@contextlib.contextmanager
def tls(certificate, port):
    context = ssl.create_default_context(cafile=str(certificate / "pem"))
    plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S, source_address=("127.0.0.2", 0))
    with context.wrap_socket(plain, server_hostname="localhost") as connection:
        yield connection


def receive_until(connection, wanted):
    data = b""
    while wanted not in data:
        more = connection.recv(65536)
        assert more, data
        data += more
    return data


@pytest.mark.parametrize("front", [haproxy, nginx])
def test_a_stream_passes_through_tls_in_front_as_it_comes(trusting, upstream, certificate, tmp_path, front):
    if shutil.which(front.__name__) is None:
        pytest.skip(f"{front.__name__} is not installed")
    port = free_port()
    done = len(trusting.gateway.events("request_done"))
    with running(*front(trusting, certificate, port, tmp_path), port):
        def answers():
            with tls(certificate, port) as connection:
                connection.sendall(request_bytes(b'{"model":"answer","messages":[{"role":"user","content":"Hello"}]}', close=True))
                return read_answer(connection)[0] == 200
        wait_until(answers, what="the health check has let the gateway in")
        upstream.forget()
        with tls(certificate, port) as connection:
            connection.sendall(request_bytes(STREAM, fields=[("X-Forwarded-For", "9.9.9.9")]))
            receive_until(connection, b'"content": "first"')  # the upstream has not gone on
            upstream.gate.set()
            receive_until(connection, b"data: [DONE]\n\n")
        if front is nginx:
            with tls(certificate, port) as connection:
                connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert read_answer(connection)[0] == 200
    assert upstream.wait_for(1)[0].field("X-Forwarded-For") == []
    wait_until(lambda: len(trusting.gateway.events("request_done")) >= done + 2, what="both are written down")
    assert {line["client"] for line in trusting.gateway.events("request_done")[done:]} == {"127.0.0.2"}


def curl_speaks_http_2():
    return shutil.which("curl") is not None and "HTTP2" in subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout


@pytest.mark.skipif(not curl_speaks_http_2(), reason="no curl with HTTP/2")
@pytest.mark.parametrize("front", [haproxy, nginx])
def test_a_client_of_http_2_has_its_events_at_once_and_takes_its_upstream_along(trusting, upstream, certificate, tmp_path, front):
    if shutil.which(front.__name__) is None:
        pytest.skip(f"{front.__name__} is not installed")
    port = free_port()
    curl = ["curl", "--silent", "--no-buffer", "--http2", "--max-time", str(PATIENCE_S), "--cacert", certificate / "pem",
            "--header", "Content-Type: application/json", f"https://localhost:{port}/openai/v1/chat/completions", "--data"]

    def asked(body, *more):
        return subprocess.run([*curl, body, *more], capture_output=True, text=True).stdout
    with running(*front(trusting, certificate, port, tmp_path), port):
        plain = '{"model":"answer","messages":[{"role":"user","content":"Hello"}]}'
        wait_until(lambda: asked(plain, "--write-out", " %{http_version} %{http_code}").endswith(" 2 200"), what="an answer by HTTP/2")
        upstream.forget()
        with subprocess.Popen([*curl, STREAM.replace(b"gated", b"leaves")], stdout=subprocess.PIPE) as client:
            data = b""
            while b'"content": "first"' not in data:  # the upstream never ends it
                more = os.read(client.stdout.fileno(), 65536)
                assert more, data
                data += more
            client.terminate()
        assert upstream.wait_for(1)[0].closed_by_peer.wait(PATIENCE_S)


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")
def test_a_gateway_of_two_that_ends_costs_no_request(upstream, tmp_path):
    """Behind the delivered configuration, which sends nothing twice: what it asks and how often fits the lead of the defaults."""
    stack = Stack(tmp_path, upstream, review=False, moderators=0, pool=PATIENT, lead="5s", limits="\n    connections_per_address: 1024")
    port, second_pool = free_port(), free_port()
    try:
        second, second_port = stack.start_gateway(f"tcp://127.0.0.1:{second_pool}")
        config, pool = tmp_path / "both.yaml", f"tcp://127.0.0.1:{stack.ports['pool']}"
        config.write_text(stack.config.read_text().replace(f"gateways: [{pool}]", f"gateways: [{pool}, tcp://127.0.0.1:{second_pool}]"))
        stack.start_moderator(config=config)
        for gateway in (stack.gateway, second):
            gateway.wait_ready()
        front = (ROOT / "deploy/haproxy.cfg").read_text()
        one = front.splitlines()[-1]
        assert one.lstrip().startswith("server gateway ") and 'ssl crt "${CERTIFICATE}" alpn h2,http/1.1' in front
        other = one.replace("server gateway", "server other").replace("${GATEWAY}", f"127.0.0.1:{second_port}").replace(
            "${GATEWAY_ADMIN_PORT}", str(second.admin_port))
        (tmp_path / "haproxy.cfg").write_text(front.replace('ssl crt "${CERTIFICATE}" alpn h2,http/1.1', "") + other + "\n")
        environment = {**os.environ, "HAPROXY_LISTEN": f"127.0.0.1:{port}", "GATEWAY": f"127.0.0.1:{stack.ports['gateway']}",
                       "GATEWAY_ADMIN_HOST": "127.0.0.1", "GATEWAY_ADMIN_PORT": str(stack.ports["gateway_admin"])}

        def served(gateway):
            return gateway.metric("prismguard_gateway_requests_total", route="/openai")
        with running(["haproxy", "-db", "-f", tmp_path / "haproxy.cfg"], environment, port):
            with load(stack, clients=4, ports=(port,)) as flowing:
                wait_until(lambda: served(stack.gateway) > 0 and served(second) > 0, what="both serve")
                stack.gateway.process.terminate()
                assert stack.gateway.process.wait(30) == 0
                flowing.wait_more(8)
        assert len(stack.gateway.events("request_done", status=200)) > 0
    finally:
        stack.close()


@pytest.mark.parametrize("source,claimed,client", [
    ("127.0.0.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"), ("127.0.0.1", ["1.2.3.4", "2001:db8::7"], "2001:db8::7"),
    ("127.0.0.1", [], "127.0.0.1"), ("127.0.0.3", ["1.2.3.4"], "127.0.0.3")])
def test_only_a_trusted_proxy_names_the_caller(trusting, source, claimed, client):
    done = len(trusting.gateway.events("request_done"))
    with socket.create_connection(("127.0.0.1", trusting.ports["gateway"]), timeout=PATIENCE_S, source_address=(source, 0)) as connection:
        connection.sendall(request_bytes(b"{}", path="/plain/x", fields=[("X-Forwarded-For", text) for text in claimed], close=True))
        assert read_answer(connection)[0] == 200
    wait_until(lambda: len(trusting.gateway.events("request_done")) > done, what="it is written down")
    assert trusting.gateway.events("request_done")[-1]["client"] == client


def call_unix(path):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(str(path))
        connection.sendall(request_bytes(b"{}", path="/plain/x", fields=[("X-Forwarded-For", "1.2.3.4")], close=True))
        return read_answer(connection)[0]


def test_a_unix_socket_is_shared_replaced_when_left_behind_and_removed(trusting, upstream, tmp_path):
    path = tmp_path / "http"

    def start():
        ports = {name: free_port() for name in ("gateway_admin", "pool")}
        text = trusting.config.read_text().replace(f"listen: 127.0.0.1:{trusting.ports['gateway']}", f"listen: unix:{path}", 1)
        for name, port in ports.items():
            text = text.replace(f"127.0.0.1:{trusting.ports[name]}", f"127.0.0.1:{port}")
        config = tmp_path / f"{ports['pool']}.yaml"
        config.write_text(text.replace("[127.0.0.1]", "[unix]"))
        return trusting._start("gateway", ports["gateway_admin"], config=config)

    first = start().wait_ready("/healthz")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert [call_unix(path) for _ in range(20)] == [200] * 20
    assert {line["client"] for line in first.events("request_done")} == {"1.2.3.4"}
    second = start()  # the path is taken: it does not start, and takes nothing away
    assert second.process.wait(PATIENCE_S) != 0
    trusting.services.remove(second)
    assert call_unix(path) == 200
    first.kill()
    assert path.exists()
    third = start().wait_ready("/healthz")
    assert call_unix(path) == 200
    assert third.stop() == 0
    assert not path.exists()
