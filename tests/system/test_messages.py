"""Every hostile message of tests/vectors/msgpack on each link, over the wire: it is dropped and counted, and nobody else notices."""
import contextlib
import csv
import json
import socket
import struct

import pytest

from stack import ROOT, Stack
from test_pool import PATIENT, garbage, load, wait_slots
from upstream import PATIENCE_S, wait_until
from zmtp import Closed, Listener, Peer

VECTORS = ROOT / "tests/vectors/msgpack"
ROUTER_BYTES_MAX, ANNOUNCEMENT_BYTES_MAX = 64 * 1024, 1024  # a longer frame cuts its connection
VERDICT = 3


def messages():
    """The hostile ones with their verdicts, and every encoding of every value of the suite: none of them is a message of ours."""
    with open(VECTORS / "manifest.tsv", newline="") as rows:
        for row in csv.DictReader(rows, delimiter="\t"):
            yield row["file"], (VECTORS / row["file"]).read_bytes()
    for group in json.loads((VECTORS / "msgpack-test-suite.json").read_text()).values():
        for value in group:
            for text in value["msgpack"]:
                yield text, bytes.fromhex(text.replace("-", ""))


ALL = list(messages())
assert len(ALL) > 200


def split(bytes_max):
    """Those that reach a reader, and those that are too long."""
    return [message for _, message in ALL if len(message) <= bytes_max], [message for _, message in ALL if len(message) > bytes_max]


def is_cut(peer, *frames):
    """Whether the connection ends, when the length has come, whatever follows."""
    with pytest.raises(Closed):
        peer.send(*frames)
        while True:
            peer.receive()
    return True


def ready(worker):
    return b"\x96\x01\x01\xc4\x10" + worker + b"\x00\xa0\xce" + struct.pack(">I", 4 * 1024 * 1024)


def task(text):
    body = b"\xa0\xa7default\xdd" + struct.pack(">I", 2) + b"\x02" + bytes([0xa0 | len(text)]) + text
    return b"\x9c\x01\x02\x07\x01\x00\xcd" + struct.pack(">H", 5000) + b"\x00\xca\x7f\xc0\x00\x00\x00" + body


@pytest.fixture(scope="module")
def stack(upstream, tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("messages"), upstream, review=False, pool=PATIENT)
    yield stack
    stack.close()


def bad(stack):
    return stack.gateway.metric("prismguard_gateway_pool_bad_messages_total")


def test_a_gateway_drops_and_counts_them_all(stack):
    with load(stack, clients=2) as running:
        before, (short, long) = bad(stack), split(ROUTER_BYTES_MAX)
        stranger = Peer.connect(stack.ports["pool"], "REQ")
        for message in short:
            stranger.send(b"", message)
        wait_until(lambda: bad(stack) == before + len(short), what=f"{len(short)} counted, not {bad(stack) - before}")
        stranger.close()
        for message in long:
            assert is_cut(Peer.connect(stack.ports["pool"], "REQ"), b"", message)
        running.wait_more(8)
    wait_slots(stack, 4)


def test_a_slot_that_answers_with_them_is_forgotten_and_its_tasks_are_judged_elsewhere(stack):
    """It takes a slot's place, answers what it is asked with one bad message after the other, and comes again under its name."""
    left = split(ROUTER_BYTES_MAX)[0]
    with load(stack, clients=2) as running:
        before = bad(stack)
        sent = 0
        while left:
            slot = Peer.connect(stack.ports["pool"], "REQ")
            slot.send(b"", ready(b"hostile-hostile!"))
            for message in left[:3]:
                assert slot.receive()[0] == b""
                slot.send(b"", message)
            sent, left = sent + len(left[:3]), left[3:]
            wait_until(lambda: bad(stack) >= before + sent, what=f"{sent} counted, not {bad(stack) - before}")
            slot.close()
        running.wait_more(8)
    wait_slots(stack, 4)


def start_elsewhere(stack, link, port):
    """A moderator that finds one of its links at another port. Models are listened for where a profile has one, and need a database."""
    config = stack.folder / f"{link}.yaml"
    here = {"gateways": stack.ports["pool"], "models": stack.ports["feed"]}[link]
    text = stack.config.read_text().replace(f"{link}: [tcp://127.0.0.1:{here}]", f"{link}: [tcp://127.0.0.1:{port}]")
    config.write_text(text.replace("[keywords.txt]", "[keywords.txt]\n    model: { kind: hashlinear, low: 0.35, high: 0.65 }") + f"""
database:
  url: "postgres://nobody@127.0.0.1:1/none"
  hash_key_file: {stack.folder}/hash
""")
    return stack.start_moderator(config=config, ready=False)


def test_a_moderator_answers_them_with_busy_and_judges_on(stack):
    gateway = Listener("ROUTER")
    moderator = start_elsewhere(stack, "gateways", gateway.port)
    slot = gateway.accept()
    assert slot.receive()[1][:3] == b"\x96\x01\x01"
    for name, message in ALL:
        slot.send(b"", message)
        answer = slot.receive()
        assert answer == [b"", b"\x95\x01\x07\x00\x00\x03"], (name, answer)
    for text, outcome in ((b"hello", 0), (b"say forbidden-keyword", 1)):
        slot.send(b"", task(text))
        answer = slot.receive()[1]
        assert answer[:6] == bytes([0x9d, 1, VERDICT, 7, 1, outcome]), answer
    assert moderator.stop() == 0
    gateway.close()
    slot.close()


def test_a_moderator_counts_them_as_announcements(stack):
    trainer = Listener("XPUB")
    moderator = start_elsewhere(stack, "models", trainer.port)

    def refused():
        return moderator.metric("prismguard_moderator_announcements_refused_total")

    feed = trainer.accept()
    short, long = split(ANNOUNCEMENT_BYTES_MAX)
    for message in short:
        feed.send(message)
    wait_until(lambda: refused() == len(short), what=f"{len(short)} counted")
    for message in long:
        assert is_cut(feed, message)
        feed = trainer.accept()  # it comes again
    feed.send(b"\xc1")
    wait_until(lambda: refused() == len(short) + 1, what="one more counted")
    assert moderator.stop() == 0
    trainer.close()
    feed.close()


def test_a_trainer_announces_on_whatever_is_sent_to_its_port(cluster, upstream, tmp_path):
    cluster.empty()
    stack = Stack(tmp_path, upstream, cluster, review=False, moderators=0)
    port = stack.ports["feed"]

    def is_heard():
        listener = Peer.connect(port, "SUB")
        listener.send(b"\x01")
        announcement = listener.receive()
        listener.close()
        return announcement[0][:3] == b"\x94\x01\x08"

    try:
        wait_until(is_heard, what="the first announcement")
        with contextlib.ExitStack() as held:
            for stream in garbage():
                stranger = held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
                with contextlib.suppress(OSError):  # cut off, rightly, while it speaks
                    stranger.sendall(stream)
            for _, message in ALL:
                peer = Peer.connect(port, "SUB")
                held.callback(peer.close)
                with contextlib.suppress(Closed):
                    peer.send(message)
            assert is_heard()
        assert is_heard() and stack.trainer.get("/readyz")[0] == 200
    finally:
        stack.close()
