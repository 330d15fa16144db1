"""The links between the services and what happens when one of their ends dies, hangs, floods or moves."""
import subprocess

import pytest

from stack import SANITIZED, Stack
from upstream import wait_until

KEYWORD_CODE = 400


def make_keys(folder):
    done = subprocess.run([SANITIZED / "prismguard-gateway", "--make-keys", folder], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def secure(upstream, keys, tmp_path_factory):
    """Every link encrypted, two moderators."""
    stack = Stack(tmp_path_factory.mktemp("secure"), upstream, review=False, moderators=2, more=f"curve: {{ dir: {keys} }}\n")
    yield stack
    stack.close()


def test_the_links_are_encrypted_and_judge_as_before(secure):
    assert secure.chat("hello")[0] == 200
    status, _, body = secure.chat("say the forbidden-keyword")
    assert status == 400 and b"forbidden" not in body


def test_a_stranger_with_a_key_of_its_own_stays_outside(secure, keys, upstream, tmp_path):
    """It knows the gateway's public key, but its own stands in no file."""
    strange = make_keys(tmp_path / "strange")
    (strange / "gateway.pub").write_text((keys / "gateway.pub").read_text())
    slots = secure.gateway.metric("prismguard_gateway_pool_slots")
    config = tmp_path / "prismguard.yaml"
    config.write_text(secure.config.read_text().replace(str(keys), str(strange)).replace("keywords: [keywords.txt]", "keywords: []"))
    before = secure.gateway.metric("prismguard_gateway_zap_denied_total")
    stranger = secure.start_moderator(config=config, ready=False)
    wait_until(lambda: secure.gateway.metric("prismguard_gateway_zap_denied_total") > before, what="a refused connection")
    assert secure.chat("hello")[0] == 200
    assert secure.gateway.metric("prismguard_gateway_pool_slots") == slots
    assert stranger.get("/readyz")[0] == 503
    assert stranger.stop() == 0
