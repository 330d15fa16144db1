"""Each API family through its official SDK: answered and streamed, refused and broken in the client's own dialect."""
import json
import urllib.error
import urllib.request

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

from stack import Stack

KEYWORD = "forbidden-keyword"
WORDS = "one two three"
CALLER = "caller-key"


@pytest.fixture(scope="module")
def stack(upstream, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dialects")
    (folder / "key").write_text("provider-key\n")
    stack = Stack(folder, upstream, review=False, route=f"""
  - path: /any
    upstream: {upstream.url}
    moderation: default
  - path: /keyed
    upstream: {upstream.url}
    key_file: {folder}/key
    models: [model-a, model-b]
    moderation: default
  - path: /claude
    upstream: {upstream.url}
    from: [claude_chat]
    to: claude_chat
    moderation: default""")
    yield stack
    stack.close()


def root(stack, route="any"):
    return f"http://127.0.0.1:{stack.ports['gateway']}/{route}"


def openai_client(stack, route="any"):
    return openai.OpenAI(base_url=root(stack, route) + "/v1", api_key=CALLER, max_retries=0, timeout=30)


def claude_client(stack, route="any"):
    return anthropic.Anthropic(base_url=root(stack, route), api_key=CALLER, max_retries=0, timeout=30)


def gemini_client(stack, route="any"):
    return genai.Client(api_key=CALLER, http_options=genai_types.HttpOptions(base_url=root(stack, route), timeout=30000))


class Chat:
    client = staticmethod(openai_client)
    refusal, failure = openai.BadRequestError, openai.APIError

    @staticmethod
    def ask(client, text, model="answer"):
        return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}]).choices[0].message.content

    @staticmethod
    def stream(client, text, model="answer"):
        chunks = client.chat.completions.create(model=model, stream=True, messages=[{"role": "user", "content": text}])
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


class Responses:
    client = staticmethod(openai_client)
    refusal, failure = openai.BadRequestError, openai.APIError

    @staticmethod
    def ask(client, text, model="answer"):
        return client.responses.create(model=model, input=text).output_text

    @staticmethod
    def stream(client, text, model="answer"):
        events = client.responses.create(model=model, input=text, stream=True)
        return "".join(event.delta for event in events if event.type == "response.output_text.delta")


class Claude:
    client = staticmethod(claude_client)
    refusal, failure = anthropic.BadRequestError, anthropic.APIError

    @staticmethod
    def ask(client, text, model="answer"):
        return client.messages.create(model=model, max_tokens=9, messages=[{"role": "user", "content": text}]).content[0].text

    @staticmethod
    def stream(client, text, model="answer"):
        with client.messages.stream(model=model, max_tokens=9, messages=[{"role": "user", "content": text}]) as stream:
            return "".join(stream.text_stream)


class Gemini:
    client = staticmethod(gemini_client)
    refusal, failure = genai_errors.ClientError, genai_errors.APIError

    @staticmethod
    def ask(client, text, model="answer"):
        return client.models.generate_content(model=model, contents=text).text

    @staticmethod
    def stream(client, text, model="answer"):
        return "".join(chunk.text or "" for chunk in client.models.generate_content_stream(model=model, contents=text))


DIALECTS = pytest.mark.parametrize("dialect", [Chat, Responses, Claude, Gemini])


@DIALECTS
def test_the_official_sdk_gets_its_answer(stack, dialect):
    assert dialect.ask(dialect.client(stack), "Hello") == "hello from upstream"


@DIALECTS
def test_the_official_sdk_streams(stack, dialect):
    assert dialect.stream(dialect.client(stack), "Hello") == WORDS


@DIALECTS
@pytest.mark.parametrize("way", ["ask", "stream"])
def test_the_official_sdk_raises_its_own_exception_when_it_is_refused(stack, upstream, dialect, way):
    with pytest.raises(dialect.refusal) as refused:
        getattr(dialect, way)(dialect.client(stack), f"say {KEYWORD} now")
    assert "MODERATION_BLOCKED" in str(refused.value) and "400" in str(refused.value)
    assert KEYWORD not in str(refused.value)
    assert upstream.exchanges == []


@DIALECTS
def test_the_official_sdk_raises_when_the_upstream_dies_in_a_stream(stack, upstream, dialect):
    with pytest.raises(dialect.failure):
        dialect.stream(dialect.client(stack), "Hello", model="breaks")
    assert len(upstream.exchanges) == 1


@DIALECTS
def test_the_provider_s_key_goes_where_the_dialect_has_it_and_the_caller_s_goes_nowhere(stack, upstream, dialect):
    dialect.ask(dialect.client(stack, "keyed"), "Hello")
    sent = upstream.wait_for(1)[0]
    assert CALLER.encode() not in sent.head
    name, value = {Claude: ("x-api-key", "provider-key"), Gemini: ("x-goog-api-key", "provider-key")}.get(
        dialect, ("authorization", "Bearer provider-key"))
    assert sent.field(name) == [value]


def test_a_key_in_the_query_goes_nowhere_either(stack, upstream):
    body = b'{"contents":[{"parts":[{"text":"Hello"}]}]}'
    status, _, _ = stack.post(body, path="/keyed/v1beta/models/answer:streamGenerateContent?key=caller-key&alt=sse")
    assert status == 200
    assert upstream.wait_for(1)[0].path == "/v1beta/models/answer:streamGenerateContent?alt=sse"


PLACES = {
    "/any/v1/responses": [
        {"model": "answer", "input": "x", "instructions": KEYWORD},
        {"model": "answer", "input": [{"role": "user", "content": [{"type": "input_text", "text": "forbidden-"},
                                                                   {"type": "input_text", "text": "keyword"}]}]},
        {"model": "answer", "input": [{"type": "function_call_output", "call_id": "c", "output": KEYWORD}]},
        {"model": "answer", "input": [{"role": "user", "content": [{"type": "input_file", "filename": KEYWORD}]}]},
    ],
    "/any/v1/responses/input_tokens": [{"model": "answer", "input": KEYWORD}],
    "/any/v1/messages": [
        {"model": "answer", "system": KEYWORD, "messages": [{"role": "user", "content": "x"}]},
        {"model": "answer", "messages": [{"role": "user", "content": [
            {"type": "text", "text": "forbidden-"}, {"type": "tool_result", "tool_use_id": "t", "content": "12 C"},
            {"type": "text", "text": "keyword"}]}]},
        {"model": "answer", "messages": [{"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": KEYWORD}]}]}]},
        {"model": "answer", "messages": [{"role": "user", "content": [
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": KEYWORD}}]}]},
    ],
    "/any/v1/messages/count_tokens": [{"model": "answer", "messages": [{"role": "user", "content": KEYWORD}]}],
    "/any/v1beta/models/answer:generateContent": [
        {"contents": [{"parts": [{"text": "x"}]}], "systemInstruction": {"parts": [{"text": KEYWORD}]}},
        {"contents": [{"parts": [{"text": "x"}]}], "system_instruction": {"parts": [{"text": KEYWORD}]}},
        {"contents": [{"parts": [{"text": "forbidden-"}, {"text": "keyword"}]}]},
        {"contents": [{"parts": [{"function_response": {"name": "f", "response": {"output": KEYWORD}}}]}]},
        {"contents": [{"parts": [{"inline_data": {"mime_type": "text/plain", "data": "Zm9yYmlkZGVuLWtleXdvcmQ="}}]}]},
    ],
    "/any/v1alpha/models/answer:countTokens": [
        {"generateContentRequest": {"contents": [{"parts": [{"text": KEYWORD}]}]}}],
}


@pytest.mark.parametrize("path", PLACES)
def test_a_keyword_is_found_wherever_a_request_can_hold_text(stack, upstream, path):
    for request in PLACES[path]:
        status, _, body = stack.post(json.dumps(request).encode(), path=path)
        assert status == 400 and b"MODERATION_BLOCKED" in body, request
    assert upstream.exchanges == []


@pytest.mark.parametrize("path, body", [
    ("/any/v1/responses", b'{ "model":"answer", "input":"h\\u00e9llo \\ud83d", "x":1.0 }'),
    ("/any/v1/messages", b'{ "model":"answer", "messages":[{"role":"user","content":"h\\u00e9llo"}], "big":1e400 }'),
    ("/any/v1beta/models/answer:generateContent", b'{ "contents":[{"parts":[{"text":"h\\u00e9llo"}]}] }')])
def test_the_bytes_that_were_judged_are_the_bytes_that_are_sent(stack, upstream, path, body):
    status, _, _ = stack.post(body, path=path)
    assert status == 200
    assert upstream.wait_for(1)[0].body == body


def test_gemini_s_stream_without_sse_is_an_array_that_a_broken_upstream_leaves_open(stack, upstream):
    body = b'{"contents":[{"parts":[{"text":"Hello"}]}]}'
    url = root(stack) + "/v1beta/models/{}:streamGenerateContent"
    request = {"data": body, "headers": {"Content-Type": "application/json"}}
    with urllib.request.urlopen(urllib.request.Request(url.format("answer"), **request), timeout=30) as answer:
        chunks = json.load(answer)
    assert "".join(chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in chunks) == WORDS
    status, _, whole = stack.post(body, path="/any/v1beta/models/breaks:streamGenerateContent")
    assert status == 200 and not whole.endswith(b"0\r\n\r\n")


def error_of(dialect, body):
    error = json.loads(body)["error"]
    return {"openai": error.get("code"), "claude": error.get("type"), "gemini": error.get("status")}[dialect]


@pytest.mark.parametrize("path, dialect, expected", [
    ("/any/v1/embeddings", "openai", "endpoint_not_supported"),
    ("/any/v1/responses/r/compact", "openai", "endpoint_not_supported"),
    ("/any/v1/messages/batches", "claude", "not_found_error"),
    ("/any/v1beta/models/m:embedContent", "gemini", "NOT_FOUND"),
    ("/claude/v1/chat/completions", "openai", "endpoint_not_supported"),
    ("/claude/v1beta/models/m:generateContent", "gemini", "NOT_FOUND")])
def test_other_endpoints_are_refused_in_the_dialect_of_their_path(stack, upstream, path, dialect, expected):
    status, _, body = stack.post(b'{"model":"answer","input":"x"}', path=path)
    assert status == 404 and error_of(dialect, body) == expected
    assert upstream.exchanges == []


def test_a_route_for_one_dialect_serves_that(stack):
    assert Claude.ask(claude_client(stack, "claude"), "Hello") == "hello from upstream"


@pytest.mark.parametrize("path, dialect", [
    ("/any/v1/responses", "openai"), ("/any/v1/messages", "claude"), ("/any/v1beta/models/m:generateContent", "gemini")])
def test_a_body_that_cannot_be_understood_is_refused_and_not_forwarded(stack, upstream, path, dialect):
    for body in (b"", b"[]", b"{'model': 1}", b'{"model":"m","model":"m"}', b'{"model":"m"}',
                 b'{"model":"m","input":7,"messages":7,"contents":7}'):
        status, _, answer = stack.post(body, path=path)
        assert status == 400, answer
        assert error_of(dialect, answer) in ("invalid_json", None, "invalid_request_error", "INVALID_ARGUMENT")
    assert upstream.exchanges == []


def test_requests_without_a_body_pass(stack, upstream):
    for method, path in (("GET", "/v1/responses/resp_1"), ("DELETE", "/v1/responses/resp_1"), ("GET", "/v1/models")):
        with urllib.request.urlopen(urllib.request.Request(root(stack) + path, method=method), timeout=30) as answer:
            assert answer.status == 200
    assert [exchange.path for exchange in upstream.wait_for(3)] == ["/v1/responses/resp_1", "/v1/responses/resp_1", "/v1/models"]


def test_a_route_that_names_its_models_lists_them_to_each_sdk(stack, upstream):
    assert [model.id for model in openai_client(stack, "keyed").models.list()] == ["model-a", "model-b"]
    assert [model.id for model in claude_client(stack, "keyed").models.list()] == ["model-a", "model-b"]
    client = gemini_client(stack, "keyed")
    assert [model.name for model in client.models.list()] == ["models/model-a", "models/model-b"]
    assert upstream.exchanges == []
