"""Requests that flow through a stack while something is done to it, and what its pool says meanwhile."""
import contextlib
import json
import subprocess
import threading

from stack import SANITIZED
from upstream import PATIENCE_S, wait_until

CLIENTS = 16
# Sanitized services share two cores with everything else: time enough for a slow machine, and half of it is still an attempt.
PATIENT = "\n  deadline: { local: 6s }\n  queue: { age: 20s }"
FORBIDDEN = "say the forbidden-keyword"


def make_keys(folder):
    done = subprocess.run([SANITIZED / "prismguard-gateway", "--make-keys", folder], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return folder


class Load:
    """Clients that each send one request after the other and note every answer that is not what it should be."""

    def __init__(self, stack, clients=CLIENTS, ports=(None,)):
        self.stack, self.answered, self.allowed, self.wrong, self.ports = stack, 0, [], [], ports
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def _run(self, number):
        turn = 0
        while not self.ended.is_set():
            turn += 1
            text = FORBIDDEN if turn % 4 == 0 else f"hello {number} {turn}"
            try:
                status, _, body = self.stack.chat(text, port=self.ports[number % len(self.ports)])
                json.loads(body)  # one answer, and nothing behind it
            except (OSError, ValueError) as error:
                status, body = 0, repr(error).encode()
            with self.lock:
                self.answered += 1
                if status != (400 if text == FORBIDDEN else 200):
                    self.wrong.append((number, turn, status, body[:300]))
                elif status == 200:
                    self.allowed.append(text)

    def wait_more(self, count):
        """Until so many more answers have come."""
        goal = self.answered + count
        wait_until(lambda: self.answered >= goal, what=f"{goal} answers; wrong: {self.wrong[:3]}")


def text_of(exchange):
    return json.loads(exchange.body)["messages"][-1]["content"]


@contextlib.contextmanager
def load(stack, clients=CLIENTS, ports=(None,)):
    """Requests flow within, to the gateways at these ports in turn; none of them may have gone wrong, and what reached the upstream
    is what was allowed, each once."""
    before = len(stack.upstream.exchanges)
    running = Load(stack, clients, ports)
    for thread in running.threads:
        thread.start()
    try:
        running.wait_more(clients)
        yield running
        running.wait_more(clients)
    finally:
        running.ended.set()
        for thread in running.threads:
            thread.join(PATIENCE_S)
    assert not running.wrong, f"{len(running.wrong)} of {running.answered}: {running.wrong[:5]}"
    assert sorted(map(text_of, stack.upstream.exchanges[before:])) == sorted(running.allowed)


def slots(stack, **labels):
    return stack.gateway.metric("prismguard_gateway_pool_slots", kind="local", **labels)


def wait_slots(stack, count):
    wait_until(lambda: slots(stack) == count, what=f"{count} slots, not {slots(stack)}")
