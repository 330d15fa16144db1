"""Texts that are known again: conversations whose history is judged once, what makes a moderator forget, and names without end."""
import json
import urllib.parse

import pytest

from stack import RELEASE, Stack, read_head
from test_reload import reload
from test_review import is_allowed, reviews, running
from upstream import wait_until

TURNS = 20
NAMES = 10_000
KNOWN = "prismguard_moderator_recent_total"


def recent(stack, kind, result):
    return sum(moderator.metric(KNOWN, kind=kind, result=result) for moderator in stack.moderators)


def judged(stack, **labels):
    return sum(moderator.metric("prismguard_moderator_judged_total", **labels) for moderator in stack.moderators)


def talk(stack, texts):
    messages = [{"role": "user" if number % 2 == 0 else "assistant", "content": text} for number, text in enumerate(texts)]
    return stack.post(json.dumps({"model": "answer", "messages": messages}).encode())


def test_of_each_turn_only_the_new_message_is_judged(upstream, tmp_path):
    stack = Stack(tmp_path, upstream, review=False)
    texts = []
    for turn in range(TURNS):
        texts += [f"question {turn}", f"answer {turn}"]
        assert is_allowed(talk(stack, texts[:-1]))
        assert recent(stack, "judged", "miss") == turn + 1
    assert recent(stack, "judged", "hit") == TURNS * (TURNS - 1) / 2
    texts[2] = "a forbidden-keyword"
    assert not is_allowed(talk(stack, texts))
    assert judged(stack, outcome="block", source="keyword") == 1
    assert not is_allowed(talk(stack, texts))
    assert judged(stack, outcome="block", source="cache") == 1
    assert stack.gateway.metric("prismguard_gateway_requests_total", source="cache") == 1
    stack.close()


def named(text):
    """Long enough to have a name, by which a moderator is told of it once it has seen it."""
    return text + ", and so on" * 50


def recalls(stack):
    return (stack.gateway.metric("prismguard_gateway_pool_texts_recalled_total"),
            stack.gateway.metric("prismguard_gateway_pool_recalls_missed_total"))


def test_a_moderator_is_sent_each_message_of_a_conversation_once(upstream, tmp_path):
    stack = Stack(tmp_path, upstream, review=False)
    texts = []
    for turn in range(TURNS):
        texts += [named(f"question {turn}"), f"answer {turn}"]
        assert is_allowed(talk(stack, texts[:-1]))
        assert recent(stack, "judged", "miss") == turn + 1
        assert recalls(stack) == (turn * (turn + 1) / 2, 0)
    assert recent(stack, "judged", "hit") == TURNS * (TURNS - 1) / 2
    texts[2] = named("a forbidden-keyword")
    assert not is_allowed(talk(stack, texts))
    stack.moderators[0].kill()
    stack.start_moderator()
    wait_until(lambda: stack.gateway.metric("prismguard_gateway_pool_slots", kind="local") == 4, what="the new one's slots alone")
    texts[2] = named("question 1")
    before = recalls(stack)
    assert is_allowed(talk(stack, texts)), "it knows nothing and is sent everything"
    assert recalls(stack) == before
    stack.close()


def test_a_moderator_with_new_keywords_is_sent_again_what_it_was_named(upstream, tmp_path):
    stack = Stack(tmp_path, upstream, review=False, moderators=2)
    texts = [named("this is a text"), "answer", named("question")]

    def talks():
        return [is_allowed(talk(stack, texts)) for _ in range(16)]  # both have eight slots, asked in turn

    assert all(talks()) and recalls(stack)[0] > 0
    first, second = stack.moderators
    allowed = [moderator.metric("prismguard_moderator_judged_total", outcome="allow") for moderator in stack.moderators]
    (tmp_path / "profiles/default/keywords.txt").write_text("this is a text\n")
    assert reload(first)["event"] == "config_reloaded"
    answers = talks()
    assert True in answers and False in answers
    assert first.metric("prismguard_moderator_judged_total", outcome="allow") == allowed[0], "it knows the new keyword"
    assert second.metric("prismguard_moderator_judged_total", outcome="allow") == allowed[1] + answers.count(True)
    assert recalls(stack)[1] == 1, "then it is known to be blocked"
    assert first.metric("prismguard_moderator_tasks_refused_total", reason="unknown_text") == 1
    assert reload(second)["event"] == "config_reloaded"
    assert not any(talks())
    stack.close()


def test_a_reload_of_keywords_counts_at_once_for_texts_that_are_known(upstream, tmp_path):
    stack = Stack(tmp_path, upstream, review=False)
    keywords = tmp_path / "profiles/default/keywords.txt"
    for words, allowed in (("forbidden-keyword\n", True), ("forbidden-keyword\na text\n", False), ("forbidden-keyword\n", True)):
        keywords.write_text(words)
        assert reload(stack.moderators[0])["event"] == "config_reloaded"
        for _ in range(2):
            assert is_allowed(stack.chat("this is a text")) == allowed
    assert recent(stack, "judged", "miss") == 2, "each list of keywords once"
    entries = stack.config.read_text().replace("keywords: [keywords.txt]", "keywords: [keywords.txt]\n    cache: { entries: 0 }")
    stack.config.write_text(entries)
    assert reload(stack.moderators[0])["event"] == "config_reloaded"
    assert stack.moderators[0].metric("prismguard_moderator_recent_bytes") == 0
    assert is_allowed(stack.chat("this is a text"))
    assert recent(stack, "judged", "hit") == 4, "nothing is looked for any more"
    stack.close()


@pytest.mark.parametrize("moderators", [1, 2])
def test_a_conversation_costs_one_review_for_each_new_message_and_moderator(upstream, tmp_path, moderators):
    upstream.labels = {}
    texts = []
    with running(tmp_path, upstream, "reviewer", moderators=moderators) as stack:
        stack.config.write_text(stack.config.read_text().replace("gateway:\n", "gateway:\n  debug_headers: true\n", 1))
        assert reload(stack.gateway)["event"] == "config_reloaded"
        for turn in range(TURNS):
            texts += [f"question {turn}", f"answer {turn}"]
            assert is_allowed(talk(stack, texts[:-1]))
        asked = [text for review in upstream.reviews for text in review]
        assert set(asked) == {f"question {turn}" for turn in range(TURNS)}
        assert all(asked.count(text) <= moderators for text in asked)
        upstream.labels = {"a bad text": 1}
        sources = set()
        for _ in range(4 * moderators):
            answer = stack.chat("a bad text")
            assert not is_allowed(answer)
            assert "x-prismguard-llm-error" not in answer[1], "what is known is a verdict too"
            assert answer[1]["x-prismguard-outcome"] == "block" and answer[1]["x-prismguard-category"]
            sources.add(answer[1]["x-prismguard-source"])
        assert sources == {"review", "cache"}
        assert upstream.reviews.count(["a bad text"]) <= moderators
        assert stack.gateway.metric("prismguard_gateway_requests_total", source="cache") > 0


def test_what_nobody_could_review_is_asked_about_again(upstream, tmp_path):
    upstream.labels = {"a bad text": 1}
    with running(tmp_path, upstream, "reviewer-broken", """
      retries: 0""", undecided="allow") as stack:
        for _ in range(2):
            assert is_allowed(stack.chat("a bad text")), "the reviewer is broken, and who is undecided allows"
        upstream.gate.set()
        assert not is_allowed(stack.chat("a bad text"))
        asked = len(upstream.reviews)
        assert not is_allowed(stack.chat("a bad text"))
        assert len(upstream.reviews) == asked, "known now"


def test_another_prompt_or_threshold_forgets_what_was_reviewed(upstream, tmp_path):
    upstream.labels = {"a bad text": 1}
    with running(tmp_path, upstream, "reviewer") as stack:
        moderator = stack.moderators[0]
        for asked, change in enumerate((None, ("sample_rate: 0", "sample_rate: 0\n      prompt: prompt.txt"),
                                        ("undecided: block", "undecided: block\n    model: { low: 0.1, high: 0.9 }")), 1):
            if change:
                (tmp_path / "profiles/default/prompt.txt").write_text("Judge.")
                stack.config.write_text(stack.config.read_text().replace(*change))
                assert reload(moderator)["event"] == "config_reloaded"
                stack.gateway.wait_ready()
                wait_until(lambda: stack.gateway.metric("prismguard_gateway_pool_slots", kind="review") == 5, what="new slots only")
            for _ in range(2):
                assert not is_allowed(stack.chat("a bad text"))
            assert len(upstream.reviews) == asked


def test_ten_thousand_names_of_profiles_hold_nothing(upstream, tmp_path):
    """Names come from outside in URLs only; one that no file names is refused before anything is made for it."""
    forms = f"\n  url_config: true\n  url_config_hosts: ['{upstream.url}/v1']"
    stack = Stack(tmp_path, upstream, review=False, programs=RELEASE, limits=f"\n    connection_requests: {NAMES + 1}{forms}")
    services = [stack.gateway, *stack.moderators]

    def series(service):
        return sum(1 for line in service.get("/metrics")[1].splitlines() if line and not line.startswith("#"))

    def ask(numbers):
        with stack.connect() as connection, connection.makefile("rb") as answers:
            for number in numbers:
                policy = {"smart_moderation": {"enabled": True, "profile": f"name-{number}"}}
                target = f"/{urllib.parse.quote(json.dumps(policy), safe='')}${upstream.url}/v1/models"
                connection.sendall(f"GET {target} HTTP/1.1\r\nHost: g\r\n\r\n".encode())
                status, fields = read_head(answers)
                assert status == 400 and b"no such profile" in answers.read(int(fields["content-length"]))

    assert is_allowed(stack.chat("a text"))
    ask(range(NAMES // 10))
    before = [(service.memory_kib(), series(service)) for service in services]
    ask(range(NAMES // 10, NAMES))
    for service, (memory_kib, count) in zip(services, before):
        assert service.memory_kib() - memory_kib < 4096, service.name
        assert series(service) == count, service.name
        assert service.metric("prismguard_moderator_recent_entries") == (service in stack.moderators)
    stack.close()
