"""What people say of a text: heeded by every moderator within seconds, whatever it knew of the text, and after an outage too."""
import contextlib
import json
import subprocess

import pytest

from stack import SANITIZED, Stack
from test_review import await_written, is_allowed
from upstream import wait_until

TRAINER = SANITIZED / "prismguard-trainer"
WITHIN_S = 15  # 4 and a busy machine, or 5 more for a database that is back; what is known would be served for 10 minutes
ALL = 16       # requests that every moderator gets some of
TEXT = "a text that people talk about"


def cli(stack, *words):
    done = subprocess.run([TRAINER, *map(str, words), "--config", stack.config, "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextlib.contextmanager
def talking(folder, upstream, cluster, sample_rate, moderators):
    """One profile without a model: the reviewer says what each text is, unless somebody said so before."""
    upstream.labels = {}
    cluster.empty()
    stack = Stack(folder, upstream, cluster, review=False, moderators=moderators, limits="\n  debug_headers: true", profile=f"""
    review:
      url: {upstream.url}/v1/chat/completions
      models: [reviewer]
      sample_rate: {sample_rate}""")
    try:
        wait_until(lambda: stack.trainer.metric("prismguard_trainer_leader") == 1, what="a leader")
        yield stack
    finally:
        stack.close()


def answer(stack):
    """What became of the text, and why."""
    found = stack.chat(TEXT)
    return is_allowed(found), found[1]["x-prismguard-source"]


def answers(stack):
    return {answer(stack) for _ in range(ALL)}


def becomes(stack, *wanted, patience_s=WITHIN_S, unasked=False):
    """`unasked`: and no reviewer is asked meanwhile, as one is where a look-up takes too long on a busy machine."""
    def settled():
        asked = len(stack.upstream.reviews)
        return answers(stack) <= set(wanted) and not (unasked and len(stack.upstream.reviews) > asked)
    wait_until(settled, patience_s, what=f"{wanted} alone")


def missed(stack):
    """Look-ups that found nothing."""
    return sum(moderator.metric("prismguard_moderator_history_lookups_total", result="missed") for moderator in stack.moderators)


def make_known(stack):
    """Every moderator has the reviewer's word and serves it."""
    becomes(stack, (True, "cache"))
    wait_until(lambda: cli(stack, "samples", "default"), what="a label in PostgreSQL")
    return cli(stack, "samples", "default")[0]["hash"]


@pytest.mark.parametrize("sample_rate, moderators", [(0, 2), (1, 1)])
def test_a_label_by_hand_is_heeded_though_the_text_is_known(cluster, upstream, tmp_path, sample_rate, moderators):
    with talking(tmp_path, upstream, cluster, sample_rate, moderators) as stack:
        text_hash = make_known(stack)
        unknown = missed(stack)
        cli(stack, "samples", "default", "relabel", text_hash, "violation")
        becomes(stack, (False, "history"), unasked=True)
        cli(stack, "samples", "default", "relabel", text_hash, "pass")
        becomes(stack, (True, "history"), (True, "cache"), unasked=True)
        assert missed(stack) == unknown, "at no time is there no label, which would cost a call of the reviewer"
        upstream.labels = {TEXT: 1}
        await_written(stack)  # what the reviewer said before, if it was asked, would be a label anew
        cli(stack, "samples", "default", "delete", text_hash)
        becomes(stack, (False, "review"), (False, "history"), (False, "cache"))


def test_an_imported_label_of_a_person_is_heeded_though_the_text_is_known(cluster, upstream, tmp_path):
    with talking(tmp_path, upstream, cluster, 0, 1) as stack:
        make_known(stack)
        rows = tmp_path / "rows.jsonl"
        rows.write_text(json.dumps({"text": TEXT, "label": "violation"}) + "\n")
        cli(stack, "import", "default", rows, "--source", "person")
        becomes(stack, (False, "history"))


def test_what_the_reviewer_said_during_an_outage_ends_with_it(cluster, upstream, tmp_path):
    with talking(tmp_path, upstream, cluster, 0, 1) as stack:
        cli(stack, "samples", "default", "relabel", make_known(stack), "violation")
        becomes(stack, (False, "history"))
        cluster.stop()
        try:
            becomes(stack, (True, "cache"))
        finally:
            cluster.start()
        becomes(stack, (False, "history"))
