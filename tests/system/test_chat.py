"""A chat request: judged, forwarded byte for byte, or refused in the client's dialect with nothing forwarded."""
import json

import openai
import pytest

from stack import read_answer, request_bytes
from upstream import wait_until

KEYWORD = "forbidden-keyword"


@pytest.fixture(scope="module")
def client(stack):
    return openai.OpenAI(base_url=stack.base_url, api_key="caller-key", max_retries=0, timeout=30)


def test_the_official_sdk_gets_its_answer(client):
    answer = client.chat.completions.create(model="answer", messages=[{"role": "user", "content": "Hello"}])
    assert answer.choices[0].message.content == "hello from upstream"


def test_the_official_sdk_streams(client):
    stream = client.chat.completions.create(model="stream", stream=True, messages=[{"role": "user", "content": "Hello"}])
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "one two three"


def test_the_official_sdk_raises_its_own_exception_for_a_refused_chat(client, upstream):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="answer", messages=[{"role": "user", "content": f"say {KEYWORD} now"}])
    assert refused.value.code == "content_filter"
    assert "MODERATION_BLOCKED" in refused.value.message
    assert upstream.exchanges == []


def test_the_official_sdk_raises_its_own_exception_for_a_refused_stream(client, upstream):
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="stream", stream=True, messages=[{"role": "user", "content": KEYWORD}])
    assert upstream.exchanges == []


def test_the_upstream_s_own_error_reaches_the_client_as_it_came(client):
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(model="refused", messages=[{"role": "user", "content": "Hello"}])
    assert refused.value.code == "rate_limit_exceeded"


def test_the_bytes_that_were_judged_are_the_bytes_that_are_sent(stack, upstream):
    body = ('{ "model" : "answer",\n\t"messages":[{"role":"user","content":"h\\u00e9llo \\ud83d"}], "n": 1.0,'
            ' "seed":12345678901234567890, "big":1e400 }').encode()
    status, _, _ = stack.post(body)
    assert status == 200
    assert upstream.wait_for(1)[0].body == body


def test_what_belongs_to_one_hop_is_not_passed_on(stack, upstream):
    body = json.dumps({"model": "answer", "messages": [{"role": "user", "content": "Hello"}]}).encode()
    status, fields, _ = stack.post(body, fields=[
        ("Authorization", "Bearer caller"), ("Cookie", "a=b"), ("X-Request-Id", "req-1"), ("Accept-Encoding", "gzip"),
        ("OpenAI-Organization", "org-1"), ("TE", "trailers")])
    assert status == 200
    sent = upstream.wait_for(1)[0]
    assert sent.field("authorization") == ["Bearer caller"]
    assert sent.field("openai-organization") == ["org-1"]
    assert sent.field("x-request-id") == ["req-1"]
    assert sent.field("accept-encoding") == ["identity"]
    assert sent.field("host") == [f"127.0.0.1:{upstream.port}"]
    for hop in ("cookie", "te", "expect", "connection"):
        assert not sent.field(hop) or (hop == "connection" and sent.field(hop)[0].lower() == "keep-alive")
    assert sent.head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert fields["x-request-id"] == "req-upstream"
    assert "set-cookie" not in fields


def test_a_refusal_names_category_and_decision_and_never_the_keyword(stack):
    status, fields, body = stack.chat(f"please say {KEYWORD}")
    error = json.loads(body)["error"]
    assert (status, error["code"], error["type"]) == (400, "content_filter", "invalid_request_error")
    assert "MODERATION_BLOCKED" in error["message"] and "keyword" in error["message"]
    assert KEYWORD not in body.decode() and "please" not in body.decode()
    decision = fields["x-prismguard-decision"]
    assert decision in error["message"]
    line = stack.gateway.wait_event("request_done", decision=decision)
    assert line["outcome"] == "block" and line["status"] == 400


def test_every_decision_is_a_line_of_its_own_and_holds_no_text(stack):
    marker = "zebra-crossing-marker"
    status, fields, _ = stack.chat(f"{marker} is a word of the prompt")
    assert status == 200
    stack.gateway.wait_event("request_done", decision=fields["x-prismguard-decision"])
    stack.chat(f"{marker} {KEYWORD}")
    for service in stack.services:
        text = service.log_file.read_text()
        assert marker not in text and KEYWORD not in text and "hello from upstream" not in text
        assert marker not in service.get("/metrics")[1] and KEYWORD not in service.get("/metrics")[1]


BAD_BODIES = {
    "not JSON": b"{'model': 1}",
    "two documents": b'{"model":"answer","messages":[{"role":"user","content":"x"}]}{}',
    "duplicate keys": b'{"model":"answer","messages":[{"role":"user","content":"a"}],"messages":[{"role":"user","content":"b"}]}',
    "duplicate keys, one escaped": b'{"model":"answer","messages":[{"role":"user","content":"a","cont\\u0065nt":"b"}]}',
    "byte order mark": b'\xef\xbb\xbf{"model":"answer","messages":[{"role":"user","content":"a"}]}',
    "bad UTF-8": b'{"model":"answer","messages":[{"role":"user","content":"\xff"}]}',
    "escaped NUL": b'{"model":"answer","messages":[{"role":"user","content":"\\u0000"}]}',
    "too deep": b'{"model":"answer","messages":' + b"[" * 100 + b"]" * 100 + b"}",
    "an array": b'[{"role":"user","content":"a"}]',
    "no messages": b'{"model":"answer"}',
    "messages is a string": b'{"model":"answer","messages":"hello"}',
    "content is a number": b'{"model":"answer","messages":[{"role":"user","content":7}]}',
    "unknown role": b'{"model":"answer","messages":[{"role":"wizard","content":7}]}',
    "empty": b"",
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_body_that_cannot_be_understood_is_refused_and_not_forwarded(stack, upstream, name):
    status, _, body = stack.post(BAD_BODIES[name])
    assert status == 400, body
    assert json.loads(body)["error"]["type"] == "invalid_request_error"
    assert upstream.exchanges == []


def test_a_keyword_is_found_wherever_a_chat_can_hold_text(stack, upstream):
    places = [
        [{"role": "system", "content": KEYWORD}, {"role": "user", "content": "x"}],
        [{"role": "developer", "content": [{"type": "text", "text": KEYWORD}]}, {"role": "user", "content": "x"}],
        [{"role": "user", "content": [{"type": "text", "text": "forbidden-"}, {"type": "text", "text": "keyword"}]}],
        [{"role": "user", "content": "x", "name": KEYWORD}],
        [{"role": "user", "content": "x"}, {"role": "tool", "tool_call_id": "c", "content": KEYWORD}],
        [{"role": "user", "content": "FORBIDDEN-KEYWORD"}],
        [{"role": "user", "content": "ｆｏｒｂｉｄｄｅｎ－ｋｅｙｗｏｒｄ"}],
        [{"role": "user", "content": [{"type": "file", "file": {"filename": KEYWORD, "file_id": "f"}}]}],
    ]
    for messages in places:
        status, _, body = stack.post(json.dumps({"model": "answer", "messages": messages}).encode())
        assert status == 400 and b"content_filter" in body, messages
    assert upstream.exchanges == []


def test_a_declared_body_above_the_limit_is_refused_before_it_is_read(stack, upstream):
    with stack.connect() as connection:
        connection.sendall(b"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\n"
                           b"Content-Length: %d\r\n\r\n" % (16 * 1024 * 1024 + 1))
        status, _, body = read_answer(connection)
    assert status == 413 and json.loads(body)["error"]["code"] == "request_too_large"
    assert upstream.exchanges == []


def test_text_above_the_limit_is_refused_and_never_cut(stack, upstream):
    status, _, body = stack.chat("a" * (4 * 1024 * 1024 + 1))
    assert status == 413 and json.loads(body)["error"]["code"] == "prompt_too_long"
    assert upstream.exchanges == []


def test_other_endpoints_of_a_judged_route_are_refused_and_plain_routes_pass(stack, upstream):
    body = b'{"input":"x","model":"answer"}'
    status, _, answer = stack.post(body, path="/openai/v1/embeddings")
    assert status == 404 and json.loads(answer)["error"]["code"] == "endpoint_not_supported"
    assert upstream.exchanges == []
    status, _, _ = stack.post(body, path="/plain/v1/embeddings")
    assert status == 200 and upstream.wait_for(1)[0].body == body


def test_a_path_that_climbs_is_refused(stack, upstream):
    for path in ("/openai/../plain/v1/chat/completions", "/openai/%2e%2e/v1/chat/completions",
                 "/openai/v1%2fchat/completions", "/openai/v1\\chat/completions"):
        status, _, _ = stack.post(b'{"model":"answer","messages":[{"role":"user","content":"x"}]}', path=path)
        assert status in (400, 404), path
    assert upstream.exchanges == []


def test_one_connection_carries_many_requests(stack):
    body = json.dumps({"model": "answer", "messages": [{"role": "user", "content": "Hello"}]}).encode()
    with stack.connect() as connection:
        for _ in range(20):
            connection.sendall(request_bytes(body))
            data = b""
            while b"hello from upstream" not in data or not data.endswith(b"}"):
                data += connection.recv(65536)
            assert data.startswith(b"HTTP/1.1 200")


def test_without_a_moderator_the_answer_is_503_at_once(upstream, tmp_path):
    from stack import Stack
    stack = Stack(tmp_path, upstream, review=False, moderators=0)
    try:
        status, _, body = stack.chat("Hello")
        assert (status, json.loads(body)["error"]["code"]) == (503, "moderation_unavailable")
        assert stack.gateway.get("/readyz")[0] == 503
        assert upstream.exchanges == []
        moderator = stack.start_moderator()
        stack.gateway.wait_ready()
        assert stack.chat("Hello")[0] == 200
        moderator.kill()
        wait_until(lambda: stack.gateway.get("/readyz")[0] == 503, what="gateway notices that its moderator died")
        assert stack.chat("Hello")[0] == 503
    finally:
        stack.close()
