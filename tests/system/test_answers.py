"""Answers that are judged before they are released, and profiles that only observe, through the official SDKs."""
import json

import pytest

from stack import Stack
from test_dialects import DIALECTS, WORDS

ANSWERED = "hello from upstream"


@pytest.fixture(scope="module")
def stack(upstream, tmp_path_factory):
    """Route /any judges answers; /tried does too, but only observes. All answers say the keyword."""
    folder = tmp_path_factory.mktemp("answers")
    keywords = folder / "answers.txt"
    keywords.write_text("from upstream\n")
    stack = Stack(folder, upstream, review=False, keywords=f"{ANSWERED}\n", profile=f"""
    responses: true
  tried:
    keywords: [{keywords}]
    responses: true
    observe: true""", route=f"""
  - path: /any
    upstream: {upstream.url}
    moderation: default
  - path: /tried
    upstream: {upstream.url}
    moderation: tried""")
    yield stack
    stack.close()


@DIALECTS
def test_the_official_sdk_raises_its_own_exception_when_its_answer_is_refused(stack, upstream, dialect):
    with pytest.raises(dialect.refusal) as refused:
        dialect.ask(dialect.client(stack), "Hi")
    assert "MODERATION_BLOCKED: the answer was refused" in str(refused.value) and "400" in str(refused.value)
    assert ANSWERED not in str(refused.value)
    assert len(upstream.exchanges) == 1, "a refused answer is not asked for again"


@DIALECTS
def test_a_stream_is_relayed_unjudged_and_counted(stack, dialect):
    before = stack.gateway.metric("prismguard_gateway_answers_total", fate="streamed")
    assert dialect.stream(dialect.client(stack), "Hi") == WORDS
    assert stack.gateway.metric("prismguard_gateway_answers_total", fate="streamed") == before + 1


@DIALECTS
def test_a_profile_that_observes_lets_request_and_answer_pass(stack, dialect):
    before = stack.gateway.metric("prismguard_gateway_observed_total", profile="tried", would="block")
    assert dialect.ask(dialect.client(stack, "tried"), f"say {ANSWERED}") == ANSWERED
    assert stack.gateway.metric("prismguard_gateway_observed_total", profile="tried", would="block") == before + 2
    assert stack.gateway.wait_event("request_done", would="block", status=200)["decision"]


def test_logprobs_are_passed_on_however_many_and_other_values_are_bounded(stack):
    """Twenty others a token are some 190 values of JSON each here; of all that is no logprob 200,000 are read."""
    before = stack.gateway.metric("prismguard_gateway_answers_total", fate="unreadable")
    for others, tokens in (20, 3000), (0, 40000):
        status, _, body = stack.chat("Hi", model="logprobs", logprobs=True, top_logprobs=others, max_tokens=tokens)
        assert status == 200 and len(json.loads(body)["choices"][0]["logprobs"]["content"]) == tokens
    status, _, body = stack.chat("Hi", model="values", max_tokens=199_000)
    assert status == 200
    status, _, body = stack.chat("Hi", model="values", max_tokens=200_000)
    assert status == 502 and b"the upstream's answer cannot be judged" in body
    assert stack.gateway.metric("prismguard_gateway_answers_total", fate="unreadable") == before + 1


def test_an_error_of_the_upstream_passes_and_what_is_compressed_does_not(stack):
    status, _, body = stack.chat("Hi", model="refused")
    assert status == 429 and b"slow down" in body
    status, _, body = stack.chat("Hi", model="zipped")
    assert status == 502 and json.loads(body)["error"]["code"] == "bad_gateway"
