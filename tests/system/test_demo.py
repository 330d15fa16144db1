"""deploy/demo/demo.py, which closes the loop before one's eyes: it tells its own profile's figures, and why requests failed."""
import re
import subprocess
import sys
import types

import pytest

from stack import ROOT, SANITIZED, Stack, free_port
from upstream import wait_until

TEXTS = ROOT / "tests/data/tweets-en/train.jsonl.gz"
COUNT = 60


@pytest.fixture
def llm():
    """The scripted LLM of the demonstration."""
    port = free_port()
    process = subprocess.Popen([sys.executable, ROOT / "deploy/demo/llm.py", "--listen", f"127.0.0.1:{port}", "--labels", TEXTS],
                               stdout=subprocess.DEVNULL)
    yield types.SimpleNamespace(url=f"http://127.0.0.1:{port}")
    process.terminate()
    process.wait(30)


@pytest.fixture
def stack(cluster, llm, tmp_path):
    made = []

    def make(limits=""):
        cluster.empty()
        # Another profile wants more samples than there will ever be, and has a version and rows of its own.
        made.append(Stack(tmp_path, llm, cluster, limits=limits, profile="""
    model: { kind: hashlinear, low: 0.2, high: 0.8 }
    training: { min_samples: 10000 }
  other:
    model: { kind: hashlinear, low: 0.2, high: 0.8 }
    training: { min_samples: 50000 }"""))
        wait_until(lambda: made[0].trainer.metric("prismguard_trainer_min_samples", profile="other") == 50000, what="the trainer")
        return made[0]

    yield make
    for stack in made:
        stack.close()


def run_demo(stack, *more):
    return subprocess.run([sys.executable, ROOT / "deploy/demo/demo.py", "--gateway", f"127.0.0.1:{stack.ports['gateway']}",
                           "--gateway-admin", f"127.0.0.1:{stack.ports['gateway_admin']}", "--trainer-admin",
                           f"127.0.0.1:{stack.ports['trainer_admin']}", "--moderator-admin",
                           f"127.0.0.1:{stack.moderators[0].admin_port}", "--texts", TEXTS, "--count", str(COUNT), "--route", "/openai",
                           "--settled", "2", *more], capture_output=True, text=True, timeout=120)


def test_it_tells_the_figures_of_its_own_profile(stack):
    stack = stack()
    done = run_demo(stack, "--profile", "default")
    assert done.returncode == 0, (done.stdout, done.stderr)
    row = done.stdout.splitlines()[1].split()[-7:]
    # Reviews are slow here: some find nobody, and are no local decisions.
    undecided = re.search(r"^  (\d+) were decided by nobody", done.stdout, re.M)
    assert int(row[1]) + int(undecided.group(1) if undecided else 0) == COUNT and int(row[1]) > 0, done.stdout
    assert row[:1] + row[2:4] + row[5:] == [str(COUNT), "0", "0.0", "none", "-"], done.stdout
    assert "of 10000 new samples since the last training" in done.stdout, done.stdout
    done = run_demo(stack)
    assert done.returncode == 1 and "trains no profile 'demo'" in done.stderr, done.stderr


def test_requests_that_fail_are_nobodys_decision_and_the_first_says_why(stack, tmp_path):
    made = subprocess.run([SANITIZED / "prismguard-gateway", "key", "demo"], capture_output=True, text=True, timeout=30)
    key = next(word for word in made.stdout.split() if word.startswith("pg-"))
    line = next(line.strip() for line in made.stdout.splitlines() if "sha256" in line).replace("rate: 50/s", "rate: off")
    (tmp_path / "key").write_text(key + "\n")
    stack = stack(limits="\n  keys:\n    " + line)
    done = run_demo(stack, "--profile", "default", "--state", str(tmp_path / "used"))
    assert done.returncode == 1 and len(done.stdout.splitlines()) == 2, (done.stdout, done.stderr)
    assert done.stdout.splitlines()[1].split()[-7:] == [str(COUNT), "0", "0", "-", "-", "none", "-"], done.stdout
    assert f"{COUNT} of {COUNT} requests failed, the first: 401, " in done.stderr and "--key-file" in done.stderr, done.stderr
    assert not (tmp_path / "used").exists(), "the next run begins with the same texts"
    done = run_demo(stack, "--profile", "default", "--key-file", str(tmp_path / "key"))
    assert done.returncode == 0 and str(COUNT) in done.stdout and not done.stderr, (done.stdout, done.stderr)
    stack.gateway.kill()
    assert "no answer from" in run_demo(stack, "--profile", "default").stderr
