"""OpenAI's moderation endpoint answered by our own moderators: the official SDK, alone, in lists and by many at once."""
import asyncio
import json

import openai
import pytest

from stack import Stack

KEYWORD = "forbidden-keyword"
OFFICIAL = {"harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
            "self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic"}
ROUTE = """
  - path: /v1/moderations
    serve: moderations
    moderation: default"""


@pytest.fixture(scope="module")
def stack(upstream, tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("moderations"), upstream, review=False, route=ROUTE)
    yield stack
    stack.close()


def options(stack):
    return {"base_url": f"http://127.0.0.1:{stack.ports['gateway']}/v1", "api_key": "any", "max_retries": 0, "timeout": 60}


@pytest.fixture(scope="module")
def client(stack):
    return openai.OpenAI(**options(stack))


def test_a_string_gets_one_result_with_all_official_categories(client, upstream):
    answer = client.moderations.create(input="a kind word", model="omni-moderation-latest")
    assert answer.id.startswith("modr-") and answer.model == "prismguard" and len(answer.results) == 1
    result = answer.results[0]
    assert result.flagged is False
    for found in (result.categories, result.category_scores, result.category_applied_input_types):
        assert set(found.model_dump(by_alias=True)) == OFFICIAL
    assert not any(result.categories.model_dump().values()) and not any(result.category_scores.model_dump().values())
    assert result.categories.self_harm_intent is False
    assert result.category_applied_input_types.violence_graphic == ["text"]
    assert upstream.exchanges == []


def test_a_flag_names_its_category_even_when_openai_has_none_such(client):
    result = client.moderations.create(input=f"say {KEYWORD} now").results[0]
    assert result.flagged is True
    categories = result.categories.model_dump(by_alias=True)
    assert set(categories) == OFFICIAL | {"keyword"}
    assert [name for name, value in categories.items() if value] == ["keyword"]
    assert result.category_scores.model_dump()["keyword"] == 1.0


def test_a_list_gets_a_result_each_in_its_order(client):
    texts = [f"text {number}" + (f" {KEYWORD}" if number % 3 == 0 else "") for number in range(40)]
    results = client.moderations.create(input=texts).results
    assert [result.flagged for result in results] == [number % 3 == 0 for number in range(40)]


def test_the_longest_list_is_answered_whole_and_a_longer_one_is_refused(client):
    results = client.moderations.create(input=["a"] * 2047 + [KEYWORD]).results
    assert [result.flagged for result in results] == [False] * 2047 + [True]
    with pytest.raises(openai.BadRequestError) as refused:
        client.moderations.create(input=["a"] * 2049)
    assert refused.value.param == "input"


def test_parts_are_one_input_and_its_images_are_not_said_to_be_judged(client, stack):
    parts = [{"type": "text", "text": KEYWORD[:6]}, {"type": "text", "text": KEYWORD[6:]},
             {"type": "image_url", "image_url": {"url": "https://images.example/a.png"}}]
    answer = client.moderations.with_raw_response.create(input=parts)
    assert answer.headers["x-prismguard-unjudged"] == "images=1"
    results = answer.parse().results
    assert len(results) == 1 and results[0].flagged is True
    assert results[0].category_applied_input_types.sexual == ["text"]
    with pytest.raises(openai.BadRequestError) as refused:
        client.moderations.create(input=parts[2:])
    assert refused.value.param == "input" and "not judged" in refused.value.message


def test_many_clients_at_once_get_their_own_answers(stack):
    async def ask(client, number):
        answer = await client.moderations.create(input=[f"text {number}", KEYWORD] if number % 2 else f"text {number}")
        return [result.flagged for result in answer.results]

    async def ask_all():
        async with openai.AsyncOpenAI(**options(stack)) as client:
            return await asyncio.gather(*[ask(client, number) for number in range(40)])

    assert asyncio.run(ask_all()) == [[False, True] if number % 2 else [False] for number in range(40)]


def test_a_request_is_logged_and_counted_as_others_are_and_no_text_with_it(stack):
    before = stack.gateway.metric("prismguard_gateway_requests_total", route="/v1/moderations", status="200", source="keyword")
    status, fields, body = stack.post(json.dumps({"input": ["zebra-crossing", f"a new text with {KEYWORD}"]}).encode(), path="/v1/moderations")
    decision = fields["x-prismguard-decision"]
    assert status == 200 and fields["x-request-id"] == decision
    assert KEYWORD not in body.decode() and "zebra" not in body.decode()
    line = stack.gateway.wait_event("request_done", decision=decision)
    assert (line["route"], line["status"], line["outcome"], line["category"]) == ("/v1/moderations", 200, "block", "keyword")
    assert line["segments"] == 2 and line["judge_us"] > 0
    assert "zebra" not in stack.gateway.log_file.read_text()
    assert stack.gateway.metric("prismguard_gateway_requests_total", route="/v1/moderations", status="200",
                                source="keyword") == before + 1


@pytest.mark.parametrize("profile, status", [("", 503), ("\n    when_unavailable: allow", 200)], ids=["block", "allow"])
def test_without_a_moderator_nothing_is_called_harmless_unseen(upstream, tmp_path, profile, status):
    stack = Stack(tmp_path, upstream, review=False, moderators=0, route=ROUTE, profile=profile)
    try:
        client = openai.OpenAI(**options(stack))
        if status == 503:
            with pytest.raises(openai.InternalServerError) as refused:
                client.moderations.create(input=["a", "b"])
            assert (refused.value.status_code, refused.value.code) == (503, "moderation_unavailable")
        else:
            answer = client.moderations.with_raw_response.create(input=["a", "b"])
            assert answer.headers["x-prismguard-unjudged"] == "texts=2"
            result = answer.parse().results[0]
            assert result.flagged is False and result.category_applied_input_types.hate == []
            assert stack.gateway.metric("prismguard_gateway_unavailable_allowed_total") == 1
    finally:
        stack.close()
