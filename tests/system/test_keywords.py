"""Keywords through a gateway and a moderator: however they are spelled; lists that are checked, refused and read anew."""
import json
import pathlib
import subprocess

import pytest

from stack import SANITIZED, Stack
from test_reload import reload

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors/unicode"
KEYWORDS = json.loads((VECTORS / "keywords.json").read_text())
EVASION = [json.loads(line) for line in (VECTORS / "evasion.jsonl").read_text().splitlines()]
BENIGN = [json.loads(line)["text"] for line in (VECTORS / "benign.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def listed(upstream, tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("listed"), upstream, review=False, keywords="\n".join([*KEYWORDS, "forbidden-keyword"]) + "\n")
    yield stack
    stack.close()


def one_of_each_technique():
    return list({case["technique"]: case for case in EVASION if case["level"] == "must"}.values())


def test_each_technique_that_must_be_found_is_blocked(listed):
    let_through = [case["technique"] for case in one_of_each_technique() if listed.chat(case["text"])[0] != 400]
    assert let_through == []


def test_no_benign_text_is_blocked(listed):
    assert [text for text in BENIGN if listed.chat(text)[0] != 200] == []


SPLIT = {
    "zero width": "for\u200bbid\u200dden-key\u2060word", "tag characters": "for\U000E0061bidden-keyword", "soft hyphen": "for\u00adbidden-keyword",
    "combining marks": "fo\u0301rbi\u0335dden-keyword", "full width": "".join(chr(ord(c) + 0xFEE0) for c in "forbidden-keyword"),
    "Cyrillic": "f\u043erb\u0456dd\u0435n-k\u0435yw\u043erd", "Greek": "f\u03bfrbidde\u03b7-\u03baeyw\u03bfrd",
    "mathematical": "".join(chr(ord(c) - ord("a") + 0x1D41A) if c.isalpha() else c for c in "forbidden-keyword"),
    "direction marks": "forbid\u200fden-key\u200eword", "other hyphen": "forbidden\u2010keyword", "digits": "f0rb1dd3n-k3yw0rd",
    "apart": "f o r b i d d e n - k e y w o r d", "turned round": "\u202edrowyek-neddibrof\u202c",
    "escaped": "".join(f"\\u{ord(c):04x}" for c in "forbidden-keyword"),
    "in tags": "".join(chr(0xE0000 + ord(c)) for c in "forbidden-keyword"),
}


@pytest.mark.parametrize("how", SPLIT)
def test_a_keyword_is_blocked_however_it_is_split(listed, how):
    assert listed.chat(f"Please say {SPLIT[how]} now")[0] == 400


def test_half_of_a_surrogate_pair_hides_nothing(listed):
    body = b'{"model":"answer","messages":[{"role":"user","content":"say forbidden\\ud800-keyword"}]}'
    assert listed.post(body)[0] == 400
    assert listed.post(body.replace(b"forbidden\\ud800-keyword", b"hello \\ud800"))[0] == 200


def test_no_keyword_and_no_text_is_in_a_log_or_an_error(listed):
    for case in one_of_each_technique():
        _, _, body = listed.chat(case["text"])
        assert case["keyword"].encode() not in body
    for service in listed.services:
        log = service.log_file.read_text(errors="replace")
        assert not [keyword for keyword in [*KEYWORDS, "forbidden-keyword"] if keyword in log], service.name


def check(stack):
    return subprocess.run([SANITIZED / "prismguard-moderator", "--check", stack.config], capture_output=True, text=True, timeout=60)


@pytest.fixture
def changed(listed):
    file = listed.folder / "profiles/default/keywords.txt"
    good = file.read_text()
    yield file
    file.write_text(good)
    assert reload(listed.moderators[0])["event"] == "config_reloaded"


BAD = [("fine\nre:(unclosed\n", "keywords.txt:2: "), ("re:a*\n", "keywords.txt:1: "), ("", "keywords.txt: the file holds no keyword"),
       ("# nothing\n\n", "keywords.txt: the file holds no keyword"), ("x" * 1025 + "\n", "keywords.txt:1: found 1025 bytes")]


@pytest.mark.parametrize("content, said", BAD)
def test_a_list_that_cannot_be_used_is_named_by_the_check_and_never_replaces_a_good_one(listed, changed, content, said):
    assert check(listed).returncode == 0
    changed.write_text(content)
    checked = check(listed)
    assert checked.returncode == 1 and said in checked.stderr and "unclosed" not in checked.stderr, checked.stderr
    line = reload(listed.moderators[0])
    assert line["event"] == "config_reload_failed" and "keywords.txt" in line["error"]
    assert listed.chat("contraband")[0] == 400 and listed.chat("Hello")[0] == 200


def test_a_moderator_without_its_list_does_not_start(listed, changed):
    changed.unlink()
    assert check(listed).returncode == 1
    moderator = listed.start_moderator(ready=False)
    assert moderator.process.wait(60) == 1
    assert "keywords.txt" in moderator.log_file.read_text()
    listed.services.remove(moderator)
    assert listed.chat("contraband")[0] == 400
