"""Callers' keys: the official SDKs raise what they raise at the provider; keys go no further; a reload swaps them whole."""
import hashlib
import re
import signal
import subprocess

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

from stack import SANITIZED, Stack
from upstream import wait_until

ALL, BOUND, SLOW, STRANGE = "key-of-all", "key-of-bound", "key-of-slow", "key-of-nobody"
HELLO = b'{"model":"answer","messages":[{"role":"user","content":"Hello"}]}'


def line(name, key, more=""):
    return f"\n    - {{ name: {name}, sha256: {hashlib.sha256(key.encode()).hexdigest()}{more} }}"


@pytest.fixture(scope="module")
def stack(upstream, tmp_path_factory):
    folder = tmp_path_factory.mktemp("admission")
    (folder / "provider").write_text("provider-key\n")
    keys = line("all", ALL) + line("bound", BOUND, ", routes: [/openai]") + line("slow", SLOW, ", rate: 1/h")
    stack = Stack(folder, upstream, review=False, limits="\n  keys:" + keys, route=f"""
  - path: /any
    upstream: {upstream.url}
    key_file: {folder}/provider
    moderation: default""")
    yield stack
    stack.close()


def root(stack, route="any"):
    return f"http://127.0.0.1:{stack.ports['gateway']}/{route}"


def ask_openai(stack, key, route="any"):
    client = openai.OpenAI(base_url=root(stack, route) + "/v1", api_key=key, max_retries=0, timeout=30)
    return client.chat.completions.create(model="answer", messages=[{"role": "user", "content": "Hello"}])


def ask_claude(stack, key, route="any"):
    client = anthropic.Anthropic(base_url=root(stack, route), api_key=key, max_retries=0, timeout=30)
    return client.messages.create(model="answer", max_tokens=9, messages=[{"role": "user", "content": "Hello"}])


def ask_gemini(stack, key, route="any"):
    options = genai_types.HttpOptions(base_url=root(stack, route), timeout=30000)
    client = genai.Client(api_key=key, http_options=options)  # closes when nobody holds it
    return client.models.generate_content(model="answer", contents="Hello")


def bearer(key):
    return [("Authorization", f"Bearer {key}")]


def exhaust(stack):
    """The one request an hour of `slow` is made, here or before."""
    assert stack.post(HELLO, fields=bearer(SLOW))[0] in (200, 429)


@pytest.mark.parametrize("ask, module", [(ask_openai, openai), (ask_claude, anthropic)])
def test_the_sdk_raises_what_it_would_at_the_provider(stack, ask, module):
    assert ask(stack, ALL)
    with pytest.raises(module.AuthenticationError):
        ask(stack, STRANGE)
    with pytest.raises(module.PermissionDeniedError):
        ask(stack, BOUND)
    exhaust(stack)
    with pytest.raises(module.RateLimitError) as raised:
        ask(stack, SLOW)
    assert 3590 < int(raised.value.response.headers["retry-after"]) <= 3600
    assert raised.value.request_id == raised.value.response.headers["x-request-id"]
    assert module is openai or raised.value.body["request_id"] == raised.value.request_id


def test_gemini_s_sdk_raises_what_it_would_at_the_provider(stack):
    assert ask_gemini(stack, ALL).text
    exhaust(stack)
    for key, code, status in ((STRANGE, 401, "UNAUTHENTICATED"), (BOUND, 403, "PERMISSION_DENIED"), (SLOW, 429, "RESOURCE_EXHAUSTED")):
        with pytest.raises(genai_errors.ClientError) as raised:
            ask_gemini(stack, key)
        assert (raised.value.code, raised.value.status) == (code, status)
    info = raised.value.details["error"]["details"][0]
    assert info["@type"] == "type.googleapis.com/google.rpc.RetryInfo" and 3590 < int(info["retryDelay"].rstrip("s")) <= 3600


def test_the_provider_s_key_goes_up_and_no_caller_s_key_is_seen_anywhere(stack, upstream):
    for ask in (ask_openai, ask_claude, ask_gemini):
        ask(stack, ALL)
    assert stack.post(HELLO, path=f"/any/v1/chat/completions?key={ALL}")[0] == 200
    assert stack.post(HELLO, fields=[("x-api-key", ALL), *bearer("callers-own-credential")])[0] == 200
    assert stack.post(HELLO, fields=bearer(STRANGE))[0] == 401
    heads = [exchange.head.decode("latin-1") for exchange in upstream.wait_for(5)]
    assert sum("provider-key" in head for head in heads) == 4 and "Bearer callers-own-credential" in heads[4]
    logged = lambda: {event["key"] for event in stack.gateway.events("request_done") if event.get("key")}
    wait_until(lambda: "all" in logged() and any(name.startswith("?") for name in logged()), what="all of it in the log")
    metrics, log = stack.gateway.get("/metrics")[1], stack.gateway.log_file.read_text()
    for key in (ALL, STRANGE, "provider-key", "callers-own-credential"):
        assert key not in metrics and key not in log
        assert key in ("provider-key", "callers-own-credential") or not any(key in head for head in heads)
    assert all(re.fullmatch(r"\?[0-9a-f]{8}", name) for name in logged() if name.startswith("?"))
    assert stack.gateway.metric("prismguard_gateway_key_requests_total", key="none", result="unknown") > 0
    assert stack.gateway.metric("prismguard_gateway_key_requests_total", key="all", result="admitted") >= 5


def test_a_reload_swaps_keys_whole_and_what_runs_is_still_counted(upstream, tmp_path):
    one = ", in_flight: 1"
    stack = Stack(tmp_path, upstream, review=False, limits="\n  keys:" + line("one", "first", one))

    def reload(keys, event="config_reloaded"):
        before = len(stack.gateway.events(event))
        text = stack.config.read_text()
        stack.config.write_text(re.sub(r"\n  keys:(\n    - .*)+", "\n  keys:" + keys, text))
        stack.gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(stack.gateway.events(event)) > before, what=event)

    try:
        body = HELLO.replace(b'"answer"', b'"gated"')
        with stack.connect() as held:
            held.sendall(b"POST /plain/v1/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer first\r\nContent-Type: application/json\r\n"
                         b"Content-Length: %d\r\n\r\n" % len(body) + body)
            upstream.wait_for(1)
            reload(line("one", "second", one) + line("two", "third"))
            assert stack.post(HELLO, fields=bearer("first"))[0] == 401
            assert stack.post(HELLO, fields=bearer("third"))[0] == 200
            status, fields, _ = stack.post(HELLO, fields=bearer("second"))
            assert (status, fields["retry-after"]) == (429, "1")
            reload(line("one", "fourth", one) + line("one", "fifth", one), "config_reload_failed")
            assert stack.post(HELLO, fields=bearer("third"))[0] == 200
        wait_until(lambda: stack.post(HELLO, fields=bearer("second"))[0] == 200, what="the place of a client that left")
    finally:
        upstream.gate.set()
        stack.close()


def test_a_key_is_made_by_the_program():
    made = subprocess.run([SANITIZED / "prismguard-gateway", "key", "team-a"], capture_output=True, text=True, timeout=30)
    key, digest = re.search(r"pg-[0-9a-f]{64}", made.stdout).group(), re.search(r"sha256: ([0-9a-f]{64})", made.stdout).group(1)
    assert made.returncode == 0 and hashlib.sha256(key.encode()).hexdigest() == digest
