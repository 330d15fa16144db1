"""A moderator by hand: slots that judge nothing and answer, die, wait or babble as a test says (proto/PROTOCOL.md). It is one of
before TASKS were known: it says so to each, and is sent their tasks one by one."""
import contextlib
import secrets
import socket
import struct
import threading

from zmtp import Closed, Peer

TASK, PING, TASKS = 2, 4, 10
PONG = b"\x92\x01\x05"
UNSUPPORTED = b"\x95\x01\x07\x00\x00\x03"
PROBE = b"ping"
TEXT_BYTES_MAX = 4 << 20


def number(frame, at):
    """The unsigned msgpack number at `at`, and where the next object begins."""
    if frame[at] < 0x80:
        return frame[at], at + 1
    count = 1 << frame[at] - 0xcc
    return int.from_bytes(frame[at + 1:at + 1 + count], "big"), at + 1 + count


def verdict(task, blocked=False):
    nonce, at = number(task, 3)
    sequence, _ = number(task, at)
    decided = b"\x01\x00\x00\x01\xa8violence" if blocked else b"\x00\x00\x00\x00\xa0"
    return b"\x9d\x01\x03" + struct.pack(">BQBQ", 0xcf, nonce, 0xcf, sequence) + decided + b"\xca\x7f\xc0\x00\x00\x00\x01\xc4\x00"


class ScriptedModerator:
    """`react` is called with each TASK by the thread of its slot: the frame to answer with, or None to end the connection."""

    def __init__(self, port, react, slots=1):
        self.react, self.tasks = react, 0
        ready = b"\x96\x01\x01\xc4\x10" + secrets.token_bytes(16) + b"\x00\xa0\xce" + struct.pack(">I", TEXT_BYTES_MAX)
        self.peers = [Peer.connect(port, "REQ") for _ in range(slots)]
        for peer in self.peers:
            peer.send(b"", ready)
        self.threads = [threading.Thread(target=self._serve, args=(peer,), daemon=True) for peer in self.peers]
        for thread in self.threads:
            thread.start()

    def _serve(self, peer):
        with contextlib.suppress(Closed, OSError):
            while True:
                frames = peer.receive()
                if frames[0] == PROBE:
                    continue
                kind = frames[1][2]
                if kind == TASK:
                    self.tasks += 1
                answer = PONG if kind == PING else UNSUPPORTED if kind == TASKS else self.react(frames[1])
                if answer is None:
                    break
                peer.send(b"", answer)
        peer.close()

    def close(self):
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
