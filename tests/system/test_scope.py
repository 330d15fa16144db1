"""What is judged of a request: every string that can reach a model, whatever its length; and what cannot be judged is named or refused."""
import json
import pathlib
import socket
import threading

import pytest

from stack import Stack, read_answer, request_bytes
from upstream import wait_until

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


def hammer(stack, address, text, stop, statuses):
    """Long texts from one address, one after the other, each a new one: what is known of texts would answer for the moderator."""
    number = 0
    while not stop.is_set():
        number += 1
        body = json.dumps({"model": "answer", "messages": [{"role": "user", "content": f"{address} {number} {text}"}]}).encode()
        with socket.create_connection(("127.0.0.1", stack.ports["gateway"]), timeout=60, source_address=(address, 0)) as connection:
            connection.sendall(request_bytes(body, close=True))
            statuses.append(read_answer(connection)[0])


@pytest.mark.parametrize("mark", ["\u0301", "\ufdfa"], ids=["combining marks", "ligatures"])
def test_long_texts_of_some_do_not_keep_short_ones_of_others_waiting(upstream, tmp_path, mark):
    """Whoever waited for a long one would see it end: however slow the machine is, most short ones see none."""
    stack = Stack(tmp_path, upstream, review=False, keywords="forbidden-keyword\nre:unheard[0-9]+of\n",
                  pool="\n  deadline: { local: 30s }")
    text = "a" + mark * ((4 * MIB - 64) // len(mark.encode()))
    stop, statuses = threading.Event(), []
    clients = [threading.Thread(target=hammer, args=(stack, f"127.0.0.{10 + client // 2}", text, stop, statuses)) for client in range(4)]
    try:
        for client in clients:
            client.start()
        wait_until(lambda: stack.gateway.metric("prismguard_gateway_pool_long_texts") == 2, what="long texts at half of the slots")
        ended = len(statuses)
        short = [stack.chat(f"hello {number}")[0] for number in range(60)]
        assert short == [200] * 60
        assert len(statuses) - ended < len(short) / 2
        assert stack.moderators[0].metric("prismguard_moderator_judged_between_total") > 0
    finally:
        stop.set()
        for client in clients:
            client.join()
        stack.close()
    assert statuses and set(statuses) <= {200, 503}
