"""What is judged of a request: every string that can reach a model, whatever its length; and what cannot be judged is named or refused."""
import json
import pathlib

import pytest

from stack import Stack

REQUESTS = pathlib.Path(__file__).resolve().parents[1] / "data/requests"
NEEDLE = "say forbidden-keyword now"
PATHS = {"openai_chat": "/any/v1/chat/completions", "openai_responses": "/any/v1/responses", "claude_chat": "/any/v1/messages",
         "gemini_chat": "/any/v1beta/models/m:generateContent"}
NOT_FOR_THE_MODEL = {"model", "stop", "user", "metadata", "service_tier", "safety_identifier", "prompt_cache_key",
                     "previous_response_id", "stop_sequences", "thinking", "safetySettings", "labels", "cachedContent"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://images.example/a.png"}}
MIB = 1024 * 1024


def routes(upstream):
    return f"""
  - path: /any
    upstream: {upstream.url}
    moderation: default
  - path: /strict
    upstream: {upstream.url}
    moderation: strict"""


STRICT = """
  strict:
    images: block
    unknown: block"""


@pytest.fixture(scope="module")
def scoped(upstream, tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("scoped"), upstream, review=False, route=routes(upstream), profile=STRICT)
    yield stack
    stack.close()


def leaves(value, path=()):
    """The paths of all strings that the default scope has; those of other scopes begin with '~'."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if path or key not in NOT_FOR_THE_MODEL:
            yield from leaves(item, (*path, key))
    if isinstance(value, str) and not value.startswith("~"):
        yield path


def with_needle(request, path):
    copy = json.loads(json.dumps(request))
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = NEEDLE
    return json.dumps(copy).encode()


@pytest.mark.parametrize("dialect", PATHS)
def test_a_keyword_is_found_wherever_it_stands(scoped, upstream, dialect):
    request = json.loads((REQUESTS / f"{dialect}.json").read_text())
    paths = list(leaves(request))
    assert len(paths) > 40
    passed, refused = [], []
    upstream.forget()
    for path in paths:
        status, _, answer = scoped.post(with_needle(request, path), PATHS[dialect])
        if status != 400:
            passed.append((path, status))
        elif b"keyword" not in answer:  # the category of the block
            refused.append(path)
    assert passed == [] and len(refused) <= 2, (passed, refused)
    assert upstream.exchanges == []


def user(*parts):
    return json.dumps({"model": "answer", "messages": [{"role": "user", "content": list(parts)}]}).encode()


def test_what_is_not_judged_is_named_in_the_answer_the_log_and_the_metrics(scoped):
    name = "prismguard_gateway_unjudged_total"
    before = scoped.gateway.metric(name, kind="images"), scoped.gateway.metric(name, kind="files")
    pdf = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjcKJeLjz9MK"}}
    status, fields, _ = scoped.post(user(IMAGE, pdf, IMAGE))
    assert status == 200 and fields["x-prismguard-unjudged"] == "images=2, files=1"
    assert scoped.gateway.metric(name, kind="images") == before[0] + 2
    assert scoped.gateway.metric(name, kind="files") == before[1] + 1
    decision = fields["x-prismguard-decision"]
    scoped.gateway.wait_event("request_done", decision=decision)
    assert scoped.gateway.events("request_done", decision=decision)[0]["unjudged"] == "images=2, files=1"
    status, fields, _ = scoped.post(user({"type": "text", "text": "hello"}))
    assert status == 200 and "x-prismguard-unjudged" not in fields


def test_a_profile_refuses_what_cannot_be_judged_and_what_it_does_not_know(scoped, upstream):
    upstream.forget()
    path = "/strict/v1/chat/completions"
    for part, place in [(IMAGE, "messages[0].content[1].image_url.url"), ({"type": "new", "x": "y"}, "messages[0].content[1]")]:
        status, _, answer = scoped.post(user({"type": "text", "text": "look"}, part), path)
        error = json.loads(answer)["error"]
        assert status == 400 and error["param"] == place, answer
    assert upstream.exchanges == []
    assert scoped.post(user({"type": "text", "text": "look"}), path)[0] == 200


def test_a_word_split_over_parts_is_one_word_and_over_messages_is_two(scoped):
    halves = NEEDLE[:8], NEEDLE[8:]
    assert scoped.post(user({"type": "text", "text": halves[0]}, IMAGE, {"type": "text", "text": halves[1]}))[0] == 400
    apart = {"model": "answer", "messages": [{"role": "user", "content": half} for half in halves]}
    assert scoped.post(json.dumps(apart).encode())[0] == 200


@pytest.mark.parametrize("place", [0, 1, 4095, 4096, 65530, MIB // 2, MIB - 17, MIB])
def test_a_keyword_is_found_at_any_place_of_a_long_text(scoped, place):
    plain = "all is well. " * (MIB // 13)
    assert scoped.chat(plain)[0] == 200
    assert scoped.chat(plain[:place] + "forbidden-keyword" + plain[place:])[0] == 400
