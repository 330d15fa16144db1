"""Moderators that are partitioned, cut off, corrupted, slow, mad or killed by a text: every request is answered once and rightly."""
import statistics
import threading
import time

import pytest

from fault_proxy import FaultProxy
from load import CLIENTS, PATIENT, load, make_keys, slots, wait_slots
from scripted_moderator import ScriptedModerator, verdict
from stack import Stack, free_port
from upstream import wait_until

SLOTS = 4  # of a moderator


def by_port(stack, *ports):
    """The same settings for a moderator that finds its gateways at these ports of loopback."""
    config = stack.folder / ("by-" + "-".join(map(str, ports)) + ".yaml")
    config.write_text(stack.config.read_text().replace(
        f"gateways: [tcp://127.0.0.1:{stack.ports['pool']}]",
        f"gateways: [{', '.join(f'tcp://127.0.0.1:{port}' for port in ports)}]"))
    return config


class Link:
    """A stack with one moderator at hand and one behind a proxy."""

    def __init__(self, upstream, folder, **more):
        self.stack = Stack(folder, upstream, review=False, pool=PATIENT, **more)
        self.proxy = FaultProxy(self.stack.ports["pool"])
        self.far = self.stack.start_moderator(config=by_port(self.stack, self.proxy.port))
        wait_slots(self.stack, 2 * SLOTS)

    def metric(self, name, **labels):
        return self.stack.gateway.metric("prismguard_gateway_pool_" + name, **labels)

    def close(self):
        self.proxy.heal()
        self.stack.close()
        self.proxy.close()


@pytest.fixture
def link(upstream, tmp_path):
    link = Link(upstream, tmp_path)
    yield link
    link.close()


def assert_one_retry_at_most(gateway):
    """A text is sent once more only for an attempt that failed, and was never found to kill."""
    assert gateway.metric("prismguard_gateway_pool_retries_total") <= gateway.metric("prismguard_gateway_pool_attempts_failed_total")
    assert gateway.metric("prismguard_gateway_pool_poisons_total") == 0


def test_a_partition_costs_no_request_and_both_sides_notice_and_come_back(link):
    told, back = [], []
    with load(link.stack, clients=4) as running:
        for _ in range(2):
            began = time.monotonic()
            link.proxy.blackhole()
            wait_until(lambda: slots(link.stack) == SLOTS, what="the gateway notices")
            told.append(time.monotonic() - began)
            wait_until(lambda: link.far.metric("prismguard_moderator_slots") == 0, what="the moderator notices")
            running.wait_more(8)
            began = time.monotonic()
            link.proxy.heal()
            wait_slots(link.stack, 2 * SLOTS)
            back.append(time.monotonic() - began)
            running.wait_more(8)
    assert_one_retry_at_most(link.stack.gateway)
    print(f"partition: noticed after {told} s, whole {back} s after its end")


def test_a_link_that_is_cut_again_and_again_costs_no_request(link):
    back = []
    with load(link.stack, clients=4) as running:
        for _ in range(5):
            began = time.monotonic()
            connections = link.proxy.connections
            link.proxy.cut()
            wait_until(lambda: link.proxy.connections >= connections + SLOTS, what="new connections")
            wait_slots(link.stack, 2 * SLOTS)
            back.append(time.monotonic() - began)
            running.wait_more(4)
    assert_one_retry_at_most(link.stack.gateway)
    print(f"cut: whole after {back} s")


def test_a_link_that_corrupts_is_never_believed(upstream, tmp_path):
    """With keys: a changed byte ends the connection, and what it carried is judged elsewhere."""
    link = Link(upstream, tmp_path, more=f"curve: {{ dir: {make_keys(tmp_path / 'keys')} }}\n")
    try:
        with load(link.stack, clients=4) as running:
            link.proxy.corrupt_one_in = 2000
            wait_until(lambda: link.proxy.corrupted >= 10, what="corrupted bytes")
            running.wait_more(16)
            link.proxy.corrupt_one_in = 0
            wait_slots(link.stack, 2 * SLOTS)
        assert link.metric("attempts_failed_total") > 0
    finally:
        link.close()


@pytest.fixture
def lone(upstream, tmp_path):
    """One moderator."""
    stack = Stack(tmp_path, upstream, review=False, pool=PATIENT)
    yield stack
    stack.close()


def took(stack):
    began = time.monotonic()
    assert stack.chat("how long")[0] == 200
    return time.monotonic() - began


def test_a_worker_a_hundred_times_slower_gets_few_texts_and_slows_no_other(lone):
    usual = statistics.median(took(lone) for _ in range(20))
    slow_s = min(100 * usual, 2)  # an attempt has 3 s
    ended = threading.Event()

    def react(task):
        ended.wait(slow_s)
        return verdict(task, b"forbidden-keyword" in task)

    slow = ScriptedModerator(lone.ports["pool"], react)
    try:
        wait_slots(lone, SLOTS + 1)
        with load(lone, clients=2) as running:
            wait_until(lambda: slow.tasks >= 3, what="tasks of the slow one")
        assert slow.tasks * 5 < running.answered, f"{slow.tasks} of {running.answered}"
        assert lone.gateway.metric("prismguard_gateway_pool_attempts_failed_total") == 0
        print(f"slow: {slow_s:.3f} s a text, {slow.tasks} of {running.answered} texts")
    finally:
        ended.set()
        slow.close()


def test_a_worker_that_babbles_is_forgotten_after_three_frames(lone):
    """Each of its answers is none: the text goes to another moderator."""
    babblers = ScriptedModerator(lone.ports["pool"], lambda task: b"\xc1" + task[:20], slots=2)
    try:
        wait_slots(lone, SLOTS + 2)
        with load(lone, clients=4) as running:
            wait_until(lambda: babblers.tasks >= 6, what="three tasks of each")
            wait_slots(lone, SLOTS)
            running.wait_more(16)
        assert babblers.tasks == 6
        assert lone.gateway.metric("prismguard_gateway_pool_bad_messages_total") == 6
        assert lone.gateway.metric("prismguard_gateway_pool_bad_messages_total", why="malformed") == 6
        assert lone.gateway.metric("prismguard_gateway_pool_retries_total") == 6
    finally:
        babblers.close()


def test_a_text_that_kills_its_moderator_twice_is_blocked_and_kills_no_third(upstream, tmp_path):
    stack = Stack(tmp_path, upstream, review=False, moderators=0, pool=PATIENT)
    mortals = [ScriptedModerator(stack.ports["pool"], lambda task: None) for _ in range(2)]
    try:
        wait_slots(stack, 2)
        status, _, body = stack.chat("this text kills")
        assert status == 400 and b"MODERATION_BLOCKED" in body
        assert [mortal.tasks for mortal in mortals] == [1, 1]
        assert stack.gateway.metric("prismguard_gateway_pool_poisons_total") == 1
        survivor = stack.start_moderator()
        wait_slots(stack, SLOTS)
        judged = survivor.metric("prismguard_moderator_judged_total")
        status, _, body = stack.chat("this text kills")
        assert status == 400 and b"MODERATION_BLOCKED" in body
        assert survivor.metric("prismguard_moderator_judged_total") == judged
        assert stack.gateway.metric("prismguard_gateway_pool_quarantined_total") == 1
        assert not upstream.exchanges
        assert stack.chat("this text does not kill")[0] == 200
        assert survivor.metric("prismguard_moderator_judged_total") == judged + 1
    finally:
        for mortal in mortals:
            mortal.close()
        stack.close()


def test_a_killed_moderator_of_two_gateways_costs_neither_a_request(upstream, tmp_path):
    stack = Stack(tmp_path, upstream, review=False, moderators=0, pool=PATIENT)
    try:
        second_pool = free_port()
        second, port = stack.start_gateway(f"tcp://127.0.0.1:{second_pool}")
        config = by_port(stack, stack.ports["pool"], second_pool)
        moderators = [stack.start_moderator(config=config) for _ in range(2)]

        def whole():
            return slots(stack) == second.metric("prismguard_gateway_pool_slots", kind="local") == 2 * SLOTS
        wait_until(whole, what="all slots")
        with load(stack, ports=(None, port)) as running:
            for _ in range(2):
                moderators.pop(0).kill()
                running.wait_more(2 * CLIENTS)
                moderators.append(stack.start_moderator(config=config))
                wait_until(whole, what="all slots again")
        for gateway in (stack.gateway, second):
            assert_one_retry_at_most(gateway)
    finally:
        stack.close()
