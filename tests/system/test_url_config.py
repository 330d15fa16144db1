"""PrismGuard's URL forms: what a URL may name and choose, and that a refused one looks up nothing and opens no socket."""
import hashlib
import json
import urllib.parse

import openai
import pytest

from stack import ROOT, Stack, read_answer

CASES = [json.loads(line) for line in (ROOT / "tests/vectors/url/ssrf.jsonl").read_text().splitlines()]
KEYWORD, STRICT_WORD, SECRET = "forbidden-keyword", "strict-word", "sk-of-the-route"
BODY = json.dumps({"model": "answer", "messages": [{"role": "user", "content": "hello"}]}).encode()
PATH = "/v1/chat/completions"


def quoted(policy):
    return urllib.parse.quote(json.dumps(policy), safe="")


NAMED = {"smart_moderation": {"enabled": True, "profile": "strict"}}


@pytest.fixture(scope="module")
def stack(upstream, tmp_path_factory):
    folder = tmp_path_factory.mktemp("url")
    strict = folder / "profiles/strict"
    strict.mkdir(parents=True)
    (strict / "keywords.txt").write_text(STRICT_WORD + "\n")
    (folder / "key").write_text(SECRET)
    (folder / ".netrc").write_text("machine 127.0.0.1 login netrc password netrc\n")
    environment = {"PRISMGUARD_GATEWAY_URL_CONFIG": "true", "PROXY_CONFIG_STRICT": json.dumps(NAMED), "OTHER_POLICY": "{}",
                   "HOME": str(folder), "all_proxy": "http://127.0.0.1:1",
                   "PRISMGUARD_GATEWAY_URL_CONFIG_HOSTS": "https://upstream.test/v1, https://upstream.test/openai, "
                                                          f"{upstream.url}/v1",
                   "PRISMGUARD_GATEWAY_ALLOW_PRIVATE_UPSTREAMS": "127.0.0.1", "PRISMGUARD_GATEWAY_LIMITS_RESOLVE": "200ms"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        stack = Stack(folder, upstream, review=False, route=f"""
  - path: /keyed
    upstream: {upstream.url}
    key_file: {folder}/key
    moderation: none""", profile="""
  strict:
    keywords: [keywords.txt]""")
    yield stack
    stack.close()


def outward(stack):
    return stack.gateway.metric("prismguard_gateway_upstream_connects_total") + stack.gateway.metric(
        "prismguard_gateway_resolve_total", result="lookup")


def error_of(answer):
    return answer[0], json.loads(answer[2])["error"]["code"]


def targets(url):
    """A URL in every writing that a request line can carry: as it is where it may stand there, and encoded with its '$'."""
    encoded = urllib.parse.quote(url.encode("utf-8", "surrogatepass"), safe="")
    yield "%7B%7D%24" + encoded
    yield "%7B%7D$" + urllib.parse.quote(url.encode("utf-8", "surrogatepass"), safe="-._~!$&'()*+,;=:@/?%")


@pytest.mark.parametrize("verdict", ["refuse", "allow"])
def test_every_url_of_the_collection_has_its_verdict_and_a_refused_one_opens_nothing(stack, upstream, verdict):
    before, connections = outward(stack), upstream.connections
    for case in CASES:
        if case["verdict"] != verdict:
            continue
        for target in targets(case["url"]):
            status, fields, body = stack.post(BODY, "/" + target)
            if verdict == "refuse":
                assert status in (400, 403, 404, 414), (case, status, body)
            else:
                # upstream.test exists nowhere: it was allowed when it was looked up. What is no endpoint says so.
                code = json.loads(body)["error"]["code"]
                assert (status, code) in ((502, "bad_gateway"), (404, "endpoint_not_supported")), (case, body)
    assert (outward(stack) == before) == (verdict == "refuse")
    assert upstream.connections == connections and upstream.exchanges == []


def test_the_official_sdk_works_with_both_forms(stack, upstream):
    inline = quoted({"basic_moderation": {"enabled": True, "keywords_file": "configs/keywords.txt"}})
    for policy in (inline, "!PROXY_CONFIG_STRICT"):
        for base in (f"{policy}${upstream.url}/v1", f"{policy}%24" + urllib.parse.quote(f"{upstream.url}/v1", safe="")):
            client = openai.OpenAI(base_url=f"http://127.0.0.1:{stack.ports['gateway']}/{base}", api_key="the-caller-s",
                                   max_retries=0)
            answer = client.chat.completions.create(model="answer", messages=[{"role": "user", "content": "hello"}],
                                                    extra_query={"api-version": "1"})
            assert answer.choices[0].message.content
            with pytest.raises(openai.BadRequestError) as refused:
                client.chat.completions.create(model="answer", messages=[{"role": "user", "content": f"say {KEYWORD}"}])
            assert refused.value.code == "content_filter"
    assert [exchange.path for exchange in upstream.wait_for(4)] == [PATH + "?api-version=1"] * 4
    assert all(exchange.field("Authorization") == ["Bearer the-caller-s"] for exchange in upstream.exchanges)


def test_a_named_profile_judges_beside_the_floor_and_never_instead_of_it(stack, upstream):
    def say(text, policy):
        return stack.post(json.dumps({"model": "answer", "messages": [{"role": "user", "content": text}]}).encode(),
                          f"/{policy}${upstream.url}{PATH}")
    none = quoted({"basic_moderation": {"enabled": False}, "smart_moderation": {"enabled": False}})
    assert say(STRICT_WORD, none)[0] == 200
    assert error_of(say(STRICT_WORD, quoted(NAMED))) == (400, "content_filter")
    assert error_of(say(STRICT_WORD, "!PROXY_CONFIG_STRICT")) == (400, "content_filter")
    for policy in (none, quoted(NAMED), "!PROXY_CONFIG_STRICT"):
        assert error_of(say(KEYWORD, policy)) == (400, "content_filter")
    assert len(upstream.exchanges) == 1


def test_what_a_policy_cannot_say_is_told_in_the_shape_of_old(stack, upstream):
    for policy, message in ((quoted({"smart_moderation": {"enabled": True, "profile": "../../etc"}}), "no such profile"),
                            ("%7Bnot-json", "Config parse error: "),
                            ("!OTHER_POLICY", "Environment variable OTHER_POLICY not found"),
                            ("!HOME", "Environment variable HOME not found")):
        status, fields, body = stack.post(BODY, f"/{policy}${upstream.url}{PATH}")
        error = json.loads(body)["error"]
        assert (status, error["code"], error["type"]) == (400, "CONFIG_PARSE_ERROR", "config_error")
        assert message in error["message"]
        assert str(stack.folder).encode() not in body
    assert error_of(stack.post(BODY, "/!PROXY_CONFIG_STRICT")) == (400, "CONFIG_PARSE_ERROR")
    assert upstream.exchanges == []


def test_the_key_of_a_route_goes_to_its_host_by_its_route_alone(stack, upstream):
    assert stack.post(BODY, "/keyed" + PATH)[0] == 200
    assert stack.post(BODY, f"/%7B%7D${upstream.url}{PATH}", [("Authorization", "Bearer theirs")])[0] == 200
    assert stack.post(BODY, f"/%7B%7D${upstream.url}{PATH}")[0] == 200
    keyed, theirs, nobody = upstream.wait_for(3)
    assert keyed.field("Authorization") == [f"Bearer {SECRET}"]
    assert theirs.field("Authorization") == ["Bearer theirs"] and nobody.field("Authorization") == []
    assert SECRET.encode() not in theirs.head + nobody.head


def test_a_key_of_the_gateway_goes_no_further_and_one_bound_to_routes_is_not_served(upstream, tmp_path):
    def listed(name, more=""):
        return f"\n    - {{ name: {name}, sha256: {hashlib.sha256(name.encode()).hexdigest()}{more} }}"
    forms = f"\n  url_config: true\n  url_config_hosts: ['{upstream.url}/v1']"
    stack = Stack(tmp_path, upstream, review=False,
                  limits=forms + "\n  keys:" + listed("free") + listed("bound", ", routes: [/plain]"))
    target = f"/%7B%7D${upstream.url}{PATH}"
    encoded = f"/%7B%7D%24{upstream.url}{PATH}%3Fkey%3Dfree%26b"
    assert error_of(stack.post(BODY, target)) == (401, "invalid_api_key")
    assert error_of(stack.post(BODY, target, [("Authorization", "Bearer bound")])) == (403, "permission_denied")
    assert stack.post(BODY, target + "?key=free&a", [("Authorization", "Bearer theirs")])[0] == 200
    assert stack.post(BODY, encoded, [("Authorization", "Bearer free"), ("x-api-key", "theirs")])[0] == 200
    first, second = upstream.wait_for(2)
    assert (first.path, first.field("Authorization")) == (PATH + "?a", ["Bearer theirs"])
    assert (second.path, second.field("Authorization"), second.field("x-api-key")) == (PATH + "?b", [], ["theirs"])
    stack.close()


def test_no_redirect_proxy_or_netrc_has_a_say(stack, upstream):
    """The gateway runs with all_proxy at a port where nobody listens, and a .netrc for the upstream's host."""
    body = BODY.replace(b"answer", b"moved")
    for path in (f"/%7B%7D${upstream.url}{PATH}", "/plain" + PATH):
        status, fields, _ = stack.post(body, path)
        assert (status, fields["location"]) == (307, f"{upstream.url}/elsewhere")
    assert [exchange.path for exchange in upstream.exchanges] == [PATH] * 2
    assert [exchange.field("Authorization") for exchange in upstream.exchanges] == [[], []]


def test_a_query_is_kept_to_the_byte(stack, upstream):
    line = f"GET /%7B%7D${upstream.url}/v1//models?a=%2F&b&key=k HTTP/1.1"
    with stack.connect() as connection:
        connection.sendall(f"{line}\r\nHost: g\r\nConnection: close\r\n\r\n".encode())
        read_answer(connection)
    assert [exchange.path for exchange in upstream.wait_for(1)] == ["/v1//models?a=%2F&b&key=k"]
