"""No secret, prompt or completion leaves by a side door: every canary goes through every path at log level debug, and then log lines,
metrics, errors, command lines, environments and child processes hold none of them."""
import contextlib
import json
import pathlib
import re
import signal
import socket
import struct
import subprocess
import threading

import pytest

from stack import SANITIZED, Service, Stack, free_port, read_answer, request_bytes
from upstream import Upstream, wait_until

CANARIES = {entry["where"]: entry["value"] for entry in
            json.loads((pathlib.Path(__file__).resolve().parents[1] / "vectors/canary/canaries.json").read_text())}
MARK = re.compile(rb"pgcanary|forbidden-keyword|my secret word|the answer is|ERROR fake|\x1b", re.I)
PROMPT, BLOCKED = CANARIES["prompt text"], CANARIES["prompt text, blocked"]
COMPLETION, KEY = CANARIES["completion text"], CANARIES["upstream key from file"]
HOSTILE = [CANARIES["upstream error body"], CANARIES["upstream Set-Cookie"]]
# As bytes of a client: each of these fields may be asked to be forwarded, dropped or refused, never shown.
FIELDS = [("Authorization", CANARIES["client header Authorization"]), ("x-api-key", CANARIES["client header x-api-key"]),
          ("Cookie", CANARIES["header Cookie"]), ("Proxy-Authorization", CANARIES["header Proxy-Authorization"]),
          ("X-Request-Id", "pgcanary-request-id")]
QUERY = "?key=" + CANARIES["client query key="]
CHAT = "/openai/v1/chat/completions"


def leaks(text):
    """What of the canaries stands in a text, each with what is around it."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return [data[max(0, match.start() - 60):match.end() + 60] for match in MARK.finditer(data)]


class CanaryUpstream(Upstream):
    """Every answer, good or bad, holds canaries; the text that is reviewed chooses how its review fails."""

    def _script_answer(self, connection, exchange, request):
        if isinstance(request, dict) and request.get("stream"):
            return self._script_stream(connection, exchange, request)
        self._send_json(connection, self.completion(COMPLETION))

    @staticmethod
    def _send_json(connection, value, status="200 OK"):
        body = json.dumps(value).encode()
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                           f"Set-Cookie: {CANARIES['upstream Set-Cookie']}\r\n\r\n".encode() + body)

    def _script_stream(self, connection, exchange, request):
        self._stream_head(connection)
        self._chunk(connection, exchange, self.event({"role": "assistant", "content": COMPLETION}))
        self._chunk(connection, exchange, b"data: [DONE]\n\n")
        connection.sendall(b"0\r\n\r\n")

    def _script_cut(self, connection, exchange, request):
        self._stream_head(connection)
        self._chunk(connection, exchange, self.event({"role": "assistant", "content": COMPLETION}))
        return "close"

    def _script_refused(self, connection, exchange, request):
        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n%s" %
                           (len(HOSTILE[0]), HOSTILE[0].encode()))

    def _raw(self, connection, data):
        connection.sendall(data + self.key.encode() + b" " + HOSTILE[0].encode() + b"\r\n\r\n")
        return "close"

    key = KEY

    def _script_no_http(self, connection, exchange, request):
        return self._raw(connection, b"")

    def _script_bad_field(self, connection, exchange, request):
        return self._raw(connection, b"HTTP/1.1 200 OK\r\nbad field ")

    def _script_bad_length(self, connection, exchange, request):
        return self._raw(connection, b"HTTP/1.1 200 OK\r\nContent-Length: ")

    def _script_bad_chunk(self, connection, exchange, request):
        return self._raw(connection, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

    def _script_short(self, connection, exchange, request):
        return self._raw(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")

    def _script_redirect(self, connection, exchange, request):
        return self._raw(connection, b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:1/?key=")

    def _script_reviewer(self, connection, exchange, request):
        text = json.dumps(request)
        for name in ("review-refused", "review-no-http", "review-no-json", "review-no-verdict", "review-echo"):
            if name in text:
                return getattr(self, "_" + name.replace("-", "_"))(connection, exchange, request)
        return super()._script_reviewer(connection, exchange, request)

    _review_refused = _script_refused
    _review_no_http = _script_no_http

    def _review_no_json(self, connection, exchange, request):
        body = f"{COMPLETION} {exchange.field('authorization')}".encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def _review_no_verdict(self, connection, exchange, request):
        self._send_json(connection, self.completion(f"{COMPLETION}: {PROMPT}", "reviewer"))

    def _review_echo(self, connection, exchange, request):
        verdict = {"violation": True, "category": PROMPT, "reason": f"{COMPLETION} {KEY}"}
        self._send_json(connection, self.completion(json.dumps(verdict), "reviewer"))


class HostilePostgres:
    """Asks for the password in clear text and sends it back in its refusal."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.passwords = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    @staticmethod
    def _exactly(connection, count):
        data = b""
        while len(data) < count:
            more = connection.recv(count - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def _serve(self, connection):
        with connection, contextlib.suppress(ConnectionError, OSError):
            while True:
                length, code = struct.unpack(">II", self._exactly(connection, 8))
                if code not in (80877103, 80877104):  # neither TLS nor GSS is spoken
                    break
                connection.sendall(b"N")
            self._exactly(connection, length - 8)
            connection.sendall(b"R" + struct.pack(">II", 8, 3))
            self._exactly(connection, 1)
            password = self._exactly(connection, struct.unpack(">I", self._exactly(connection, 4))[0] - 4).rstrip(b"\0")
            self.passwords.append(password)
            words = b"".join([b"SFATAL\0", b"VFATAL\0", b"C28P01\0", b"Mpassword " + password + b" is wrong: " + PROMPT.encode() + b"\0",
                              b"\0"])
            connection.sendall(b"E" + struct.pack(">I", 4 + len(words)) + words)

    def close(self):
        self.listener.close()


@pytest.fixture(scope="module")
def canary_upstream():
    upstream = CanaryUpstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="module")
def secret_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("secrets") / "key"
    file.write_text(KEY)
    return file


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def wait_reviews(stack):
    wait_until(lambda: stack.gateway.metric("prismguard_gateway_pool_slots", kind="review") > 0, what="somebody who reviews")


@pytest.fixture(scope="module")
def whole(cluster, canary_upstream, secret_file, monkeypatch_module, tmp_path_factory):
    """All services at level debug; the route and the reviewer have a key, and the learned judge trains on odd rows."""
    cluster.empty()
    folder = tmp_path_factory.mktemp("whole")
    for name, where in (("PRISMGUARD_KEY", "upstream key from environment"), ("PGPASSWORD", "database URL password")):
        monkeypatch_module.setenv(name, CANARIES[where])
    stack = Stack(folder, canary_upstream, cluster, more="log: { level: debug }\n", limits="\n    moderated_text: 64KiB", route=f"""
    key_file: {secret_file}
  - path: /closed
    upstream: http://127.0.0.1:1
    from: openai_chat
    to: same
    moderation: default""", profile="""
      retries: 0
    model: { kind: hashlinear, low: 0.35, high: 0.65 }
    training: { min_samples: 20, every: 1s }""")
    stack.config.write_text(stack.config.read_text().replace("models: [reviewer]", f"models: [reviewer]\n      key_file: {secret_file}"))
    stack.moderators[0].process.send_signal(signal.SIGHUP)
    stack.moderators[0].wait_event("config_reloaded")
    stack.gateway.wait_ready()
    wait_reviews(stack)
    yield stack
    stack.close()


def assert_clean(*services):
    """Everything that a service shows to those who run it."""
    for service in services:
        text = service.log_file.read_bytes()
        assert not leaks(text), (service.name, leaks(text)[:5])
        for line in text.splitlines():
            assert not line.startswith(b"{") or json.loads(line)["event"], line
        for path in ("/metrics", "/healthz", "/readyz", "/pgcanary", "/debug"):
            assert not leaks(service.get(path)[1]), (service.name, path)
        if service.process.poll() is None:
            process = pathlib.Path(f"/proc/{service.process.pid}")
            assert not leaks((process / "cmdline").read_bytes())
            assert not leaks((process / "environ").read_bytes())
            for thread in (process / "task").iterdir():
                with contextlib.suppress(FileNotFoundError):  # it ended meanwhile
                    assert not (thread / "children").read_text(), "a child"
            assert re.search(r"Max core file size +0 +0 ", (process / "limits").read_text()), "a core could be written"


def body(text, **more):
    return json.dumps({"model": "answer", "messages": [{"role": "user", "content": text}], **more}).encode()


def send(stack, data):
    """Raw bytes; the whole answer, or nothing when the connection just ends."""
    with stack.connect() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(data)
        return read_answer(connection)
    return 0, {}, b""


TOOLS = {
    "model": "answer", "user": CANARIES["user id field"],
    "messages": [
        {"role": "system", "content": PROMPT},
        {"role": "user", "content": [{"type": "text", "text": CANARIES["log injection"]},
                                     {"type": "image_url", "image_url": {"url": CANARIES["image url query"]}}]},
        {"role": "assistant", "tool_calls": [{"id": "pgcanary-1", "type": "function", "function": {
            "name": "pgcanary_tool", "arguments": CANARIES["tool argument"]}}]},
        {"role": "tool", "tool_call_id": "pgcanary-1", "content": COMPLETION}]}


def test_allowed_requests_and_their_answers(whole, canary_upstream):
    canary_upstream.forget()
    odd_role = b'{"model": "answer", "messages": [{"role": "pgcanary", "content": "pgcanary"}]}'
    odd_shape = b'{"model": "answer", "messages": [{"role": "user", "content": {"pgcanary": "pgcanary"}}]}'
    for data in (body(PROMPT), json.dumps(TOOLS).encode(), body(CANARIES["log injection"], metadata={"pgcanary": PROMPT}),
                 odd_role, odd_shape):
        status, fields, answer = whole.post(data, CHAT + QUERY, FIELDS)
        assert status == 200 and COMPLETION.encode() in answer
        assert not leaks(json.dumps({name: value for name, value in fields.items() if name != "x-request-id"})), fields
    status, _, answer = whole.post(body(PROMPT, stream=True), CHAT, FIELDS)
    assert status == 200 and COMPLETION.encode() in answer
    status, _, answer = whole.post(body(PROMPT), "/plain/pgcanary" + QUERY, FIELDS)
    assert status == 200
    seen = canary_upstream.wait_for(7)
    assert PROMPT.encode() in seen[0].body and seen[0].field("authorization") == [f"Bearer {KEY}"], "the canaries went through"
    assert QUERY in seen[6].path and seen[6].field("authorization") == [FIELDS[0][1]]
    assert_clean(*whole.services)


def test_blocked_requests(whole):
    for data in (body(BLOCKED), body(PROMPT + " " + BLOCKED, stream=True)):
        status, fields, answer = whole.post(data, CHAT, FIELDS[:4])
        assert status == 400 and b"content_filter" in answer
        assert not leaks(answer) and not leaks(json.dumps(fields))
    assert_clean(*whole.services)


REFUSED = [
    request_bytes(b'{"model": "pgcanary", "messages": [', CHAT),
    request_bytes(b'{"pgcanary": 1, "pgcanary": 2}', CHAT),
    request_bytes(b'{"model": "answer", "messages": "my secret word"}', CHAT),
    request_bytes(b'\xff\xfe' + PROMPT.encode(), CHAT),
    request_bytes(body(PROMPT + "x" * 70000), CHAT),
    request_bytes(body(PROMPT), CHAT, [("Content-Encoding", "pgcanary")]),
    request_bytes(body(PROMPT), CHAT, [("Content-Length", "pgcanary")]),
    request_bytes(body(PROMPT), CHAT, [("X-Long", "pgcanary" * 8000)]),
    request_bytes(body(PROMPT), CHAT, FIELDS[:1] * 2),
    request_bytes(body(PROMPT), "/nowhere/pgcanary" + QUERY, FIELDS[:4]),
    request_bytes(body(PROMPT), "/openai/v1/pgcanary" + QUERY, FIELDS[:4]),
    request_bytes(body(PROMPT), "/openai/%2e%2e/pgcanary"),
    request_bytes(body(PROMPT), "/" + "pgcanary" * 2000),
    request_bytes(body(PROMPT), "/closed/v1/chat/completions" + QUERY, FIELDS[:4]),
    CANARIES["malformed request line"].encode() + b"\r\n\r\n",
    b"PGCANARY / HTTP/1.1\r\nHost: pgcanary\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: gateway\r\n" + CANARIES["malformed header"].encode() + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: pg@canary\r\nX: " + CANARIES["log injection"].encode() + b"\r\n\r\n",
    b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\npgcanary\r\n",
    CANARIES["log injection"].encode() + b"\r\n\r\n",
]


def test_refused_requests(whole):
    for data in REFUSED:
        data = data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1) if data.startswith(b"POST") else data
        status, fields, answer = send(whole, data)
        assert status == 0 or status >= 400, (status, data[:200])
        assert not leaks(answer) and not leaks(json.dumps(fields)), (data[:80], answer)
    assert_clean(*whole.services)


def test_a_client_that_leaves_in_its_body_and_in_its_stream(whole, canary_upstream):
    with whole.connect() as connection:
        connection.sendall(request_bytes(body(PROMPT), CHAT, FIELDS)[:-10])
    with whole.connect() as connection:
        connection.sendall(request_bytes(json.dumps({"model": "leaves", "messages": [
            {"role": "user", "content": PROMPT}]}).encode(), CHAT, FIELDS))
        assert connection.recv(100)
    whole.gateway.wait_event("request_done", end="client_left", stream=1)
    assert_clean(*whole.services)


@pytest.mark.parametrize("script", ["no_http", "bad_field", "bad_length", "bad_chunk", "short", "refused", "redirect", "cut"])
def test_broken_upstreams_that_repeat_the_key(whole, script):
    data = json.dumps({"model": script, "messages": [{"role": "user", "content": PROMPT}]}).encode()
    status, fields, answer = whole.post(data, CHAT, FIELDS[:4])
    if status >= 500:
        assert not leaks(answer) and not leaks(json.dumps(fields)), answer
    assert status or not answer
    assert_clean(*whole.services)


@pytest.mark.parametrize("how, result", [("review-refused", "http_error"), ("review-no-http", "failed"),
                                         ("review-no-json", "no_verdict"), ("review-no-verdict", "no_verdict"),
                                         ("review-echo", "")])
def test_reviews_that_fail_or_repeat_what_they_were_told(whole, how, result):
    status, fields, answer = whole.post(body(f"{PROMPT} {how}"), CHAT, FIELDS[:4])
    if status != 200:
        assert not leaks(answer) and not leaks(json.dumps(fields)), answer
    if result:
        assert whole.moderators[0].metric("prismguard_moderator_reviews_total", result=result) >= 1
    assert_clean(*whole.services)


def test_training_on_odd_rows(whole, cluster):
    """Texts that no moderator would have kept: not UTF-8, with NUL, very long, empty, with a forged log line."""
    texts = [PROMPT.encode() + b"\xff\xfe", b"\0" + BLOCKED.encode(), COMPLETION.encode() * 30000, b" ",
             CANARIES["log injection"].encode()] + [f"{PROMPT} {number}".encode() for number in range(60)]
    profile = cluster.query("insert into profiles (name) values ('default') on conflict (name) do update set name = excluded.name "
                            "returning profile_id")[0][0]
    rows = ", ".join(f"sample_put({profile}, array[sha256('{number}')::bytea], array[{number % 2}::smallint], array[1::smallint], "
                     f"array[1::smallint], array['pgcanary'], array['\\x{text.hex()}'::bytea])" for number, text in enumerate(texts[3:]))
    cluster.query("select " + rows.replace("sha256(", "substring(sha256(").replace("')::bytea]", "') from 1 for 16)]"))
    whole.trainer.wait_event("training_done")
    assert_clean(*whole.services)


BAD_SETTINGS = [
    'database:\n  url: "postgres://user:{secret}@db/{long}"\n',
    'database:\n  url: "host=db password={secret} {long}"\n',
    "database:\n  password: {secret}\n",
    "database:\n  url: [ {secret} ]\n",
    "routes:\n  - path: /a\n    upstream: https://user:{secret}@api.example\n",
    "routes:\n  - path: /a\n    upstream: https://api.example?key={secret}\n    moderation: none\n",
    "routes:\n  - path: /a\n    upstream: https://api.example\n    key: {secret}\n    moderation: none\n",
    "profiles:\n  default:\n    review: {{ url: 'ftp://api.example/?key={secret}', models: [m] }}\n",
    "gateway:\n  listen: 127.0.0.1:0\n  {secret}\n",
    "database:\n  url: \"{secret}\n",
]


@pytest.mark.parametrize("service", ["gateway", "moderator", "trainer"])
def test_settings_that_cannot_be_used(service, tmp_path):
    file = tmp_path / "bad.yaml"
    for text in BAD_SETTINGS:
        file.write_text(text.format(secret=CANARIES["database URL password"], long="x" * 600))
        for option in ("--check", "--config"):
            done = subprocess.run([SANITIZED / f"prismguard-{service}", option, file], capture_output=True, timeout=30)
            assert done.returncode == 1, text
            assert not leaks(done.stdout + done.stderr), (text, done.stderr)
    environment = {"PRISMGUARD_DATABASE_URL": "postgres://u:" + CANARIES["database URL password"] + "@h/" + "x" * 600,
                   "PRISMGUARD_GATEWAY_THREADS": "1", "PRISMGUARD_KEY": CANARIES["upstream key from environment"]}
    file.write_text("gateway:\n  listen: 127.0.0.1:0\n")
    done = subprocess.run([SANITIZED / f"prismguard-{service}", "--check", file], capture_output=True, timeout=30, env=environment)
    assert done.returncode == 1 and not leaks(done.stdout + done.stderr), done.stderr


@pytest.mark.parametrize("service", ["gateway", "moderator", "trainer"])
def test_a_check_of_good_settings_with_secrets_in_them(service, whole, tmp_path):
    file = tmp_path / "good.yaml"
    file.write_text(whole.config.read_text().replace('database:\n  url: "', 'database:\n  url: "${PG_CANARY:-}') +
                    "\n")
    password = CANARIES["database URL password"]
    file.write_text(re.sub(r'url: "\$\{PG_CANARY:-\}[^"]*"', f'url: "postgres://user:{password}@127.0.0.1:1/db"', file.read_text()))
    done = subprocess.run([SANITIZED / f"prismguard-{service}", "--check", file], capture_output=True, timeout=30)
    assert not leaks((done.stdout + done.stderr).replace(str(whole.folder).encode(), b"")), (done.stdout, done.stderr)


def test_a_reload_of_settings_that_cannot_be_used(whole):
    good = whole.config.read_text()
    try:
        whole.config.write_text(good + f"gateway:\n  key: {KEY}\n")
        for service in (whole.gateway, whole.moderators[0]):
            service.process.send_signal(signal.SIGHUP)
            service.wait_event("config_reload_failed")
        whole.config.write_text(good.replace("upstream: http", f"upstream: http://u:{KEY}@x?"))
        failed = len(whole.gateway.events("config_reload_failed"))
        whole.gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(whole.gateway.events("config_reload_failed")) > failed, what="a second failed reload")
    finally:
        whole.config.write_text(good)
    assert_clean(*whole.services)


def test_a_database_that_refuses_the_password_and_repeats_it(canary_upstream, tmp_path):
    postgres = HostilePostgres()
    stack = Stack(tmp_path, canary_upstream, more=f"""log: {{ level: debug }}
database:
  url: postgres://user:{CANARIES['database URL password']}@127.0.0.1:{postgres.port}/db
  hash_key_file: {tmp_path}/hash
trainer:
  publish: tcp://127.0.0.1:{free_port()}
""")
    port = free_port()
    trainer = Service("trainer", stack.config, tmp_path, port,
                      environment={"PRISMGUARD_TRAINER_ADMIN_LISTEN": f"127.0.0.1:{port}"})
    stack.services.append(trainer)
    try:
        wait_reviews(stack)
        assert stack.chat(PROMPT)[0] == 200
        trainer.wait_event("leader_interrupted")
        stack.moderators[0].wait_event("models_unreadable")
        stack.moderators[0].wait_event("history_unavailable")
        assert CANARIES["database URL password"].encode() in postgres.passwords
        assert_clean(*stack.services)
    finally:
        stack.close()
        postgres.close()
    assert_clean(*stack.services)


def test_what_is_searched_for_would_be_found(whole, tmp_path):
    """The search itself: each canary, as it is and as a log line would have it, planted into a copy of a clean log."""
    clean = whole.gateway.log_file.read_bytes()
    assert not leaks(clean)
    for where, value in CANARIES.items():
        for form in (value.encode(), json.dumps(value).encode(), repr(value).encode()):
            assert leaks(clean + form + b"\n" + clean), (where, form)

    class Planted:
        name, process = "planted", whole.gateway.process
        log_file = tmp_path / "planted.log"
        get = staticmethod(lambda path: (200, ""))
    Planted.log_file.write_bytes(clean + json.dumps({"event": "x", "text": PROMPT}).encode() + b"\n")
    with pytest.raises(AssertionError):
        assert_clean(Planted)
