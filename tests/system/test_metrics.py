"""deploy/METRICS.md and the running services: nothing is exported that is not documented, nothing documented that is not there."""
import json
import re

import pytest

from stack import ROOT, Stack
from upstream import wait_until

HEAD = re.compile(r"## (.+)")
ROW = re.compile(r"\| `(prismguard_\w+)` \| (\w+) \|([^|]*)\|([^|]*)\|")
SAMPLE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
PARTS = ("_bucket", "_sum", "_count")


def documented():
    """For each service: name -> (type, labels)."""
    sections, section = {}, None
    for line in (ROOT / "deploy/METRICS.md").read_text().splitlines():
        head, row = HEAD.fullmatch(line), ROW.match(line)
        if head:
            section = sections.setdefault(head.group(1).lower(), {})
        elif row:
            name, kind, labels, meaning = row.groups()
            assert name not in section, f"{name} twice"
            assert meaning.strip(), f"{name} says nothing"
            section[name] = (kind, frozenset(re.findall(r"`(\w+)`", labels)))
    return {service: {**sections["every service"], **sections[service]} for service in ("gateway", "moderator", "trainer")}


def exported(text):
    """name -> (type, labels), after checking the form of every line."""
    kinds, labels, helped = {}, {}, set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped.add(line.split(" ")[2])
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds, f"{name} stands in two places"
            kinds[name] = kind
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        float(match.group(3))
        name = match.group(1)
        found = dict(LABEL.findall(match.group(2) or ""))
        for part in PARTS:
            if name.endswith(part) and kinds.get(name.removesuffix(part)) == "histogram":
                name = name.removesuffix(part)
                found.pop("le", None)
        assert name in kinds and name in helped, line
        known = labels.setdefault(name, frozenset(found))
        assert known == frozenset(found), f"{name} has series with {sorted(known)} and with {sorted(found)}"
    return {name: (kinds[name], labels[name]) for name in kinds}


@pytest.fixture(scope="module")
def whole(cluster, upstream, tmp_path_factory):
    """All three services, with database and reviews, and one request of each outcome."""
    cluster.empty()
    folder = tmp_path_factory.mktemp("metrics")
    keywords = folder / "tried.txt"
    keywords.write_text("watched-keyword\n")
    stack = Stack(folder, upstream, cluster, profile=f"""
  tried:
    keywords: [{keywords}]
    observe: true""", route=f"""
  - path: /tried
    upstream: {upstream.url}
    moderation: tried""")
    watched = {"model": "answer", "messages": [{"role": "user", "content": "a watched-keyword"}]}
    try:
        assert stack.chat("Hello")[0] == 200
        assert stack.post(json.dumps(watched).encode(), path="/tried/v1/chat/completions")[0] == 200
        assert stack.chat("say the forbidden-keyword")[0] == 400
        yield stack
    finally:
        stack.close()


@pytest.mark.parametrize("service", ["gateway", "moderator", "trainer"])
def test_the_page_says_what_a_service_exports(whole, service):
    running = {"gateway": whole.gateway, "moderator": whole.moderators[0], "trainer": whole.trainer}[service]
    found, wanted = exported(running.get("/metrics")[1]), documented()[service]
    assert {"not documented": sorted(found.keys() - wanted.keys()), "not exported": sorted(wanted.keys() - found.keys())} == \
        {"not documented": [], "not exported": []}
    assert found == wanted
    for name, (kind, _) in found.items():
        assert name.endswith("_total") == (kind == "counter"), f"{name} is a {kind}"
        assert kind != "histogram" or name.endswith("_seconds"), name


def test_counters_follow_what_happens(whole):
    def count(name, **labels):
        return whole.gateway.metric("prismguard_gateway_" + name, **labels)
    before = count("requests_total", route="/openai", status="400", source="keyword"), count("errors_total", error="content_filter")
    streams = count("streams_ended_total", end="complete")
    whole.chat("say the forbidden-keyword to those who count")
    assert whole.chat("Hello", model="stream", stream=True)[0] == 200
    wait_until(lambda: count("streams_ended_total", end="complete") == streams + 1, what="a stream that is counted")
    wait_until(lambda: count("in_flight") == 0, what="nothing in flight")
    assert count("requests_total", route="/openai", status="400", source="keyword") == before[0] + 1
    assert count("errors_total", error="content_filter") == before[1] + 1
    assert count("streams") == 0
    # One connection stays for the next request, and is the process's, whichever loop has it.
    wait_until(lambda: count("upstream_idle") == count("upstream_connections") >= 1, what="idle upstream connections")


def test_every_service_tells_about_itself(whole):
    for service in whole.services:
        assert service.metric("prismguard_uptime_seconds") > 0
        assert service.metric("prismguard_process_resident_bytes") > 1 << 20
        assert service.metric("prismguard_process_open_fds") > 3
        assert service.metric("prismguard_log_lines_total", level="info") >= len(service.events("started")) == 1
        assert service.metric("prismguard_log_dropped_total") == 0
