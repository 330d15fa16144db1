"""docker-compose.yml, as a user runs it: built, brought up with the demo, spoken to, scaled, hurt, and taken down.

One installation for all tests, under a project name, image tags and ports of its own: what else runs in Docker is left alone.
"""
import contextlib
import json
import os
import pathlib
import shlex
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

import openai
import pytest

from stack import ROOT, free_port
from upstream import wait_until

COMPOSE = shlex.split(os.environ.get("COMPOSE", "docker-compose"))
PATIENCE_S = 120
CLIENTS = 5  # review.concurrency: one moderator alone can review the texts of all of them
REQUEST_S = 60
SERVICES = {"gateway", "moderator", "trainer", "postgres", "llm"}


def run(*command, check=True, timeout=PATIENCE_S, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **more)
    assert not check or done.returncode == 0, f"{command}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
    return done


class Compose:
    def __init__(self, project):
        self.project, self.port, self.admin_port = project, free_port(), free_port()
        self.environment = {**os.environ, "PRISMGUARD_TAG": project, "PRISMGUARD_PORT": str(self.port),
                            "PRISMGUARD_ADMIN_PORT": str(self.admin_port)}

    def __call__(self, *arguments, **more):
        return run(*COMPOSE, "--project-directory", str(ROOT), "-f", str(ROOT / "docker-compose.yml"), "-p", self.project,
                   "--profile", "demo", *arguments, env=self.environment, **more)

    def containers(self, service):
        """By label: the two versions of Compose name them differently."""
        return run("docker", "ps", "-q", "--filter", f"label=com.docker.compose.project={self.project}",
                   "--filter", f"label=com.docker.compose.service={service}").stdout.split()

    def inspect(self, container):
        return json.loads(run("docker", "inspect", container).stdout)[0]

    def inspect_one(self, service):
        return self.inspect(*self.containers(service))

    def scale(self, count):
        self("up", "-d", "--no-recreate", "--scale", f"moderator={count}")

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name, label):
        """Sum of the gateway's series of `name` that carry this label."""
        return sum(float(line.split()[-1]) for line in self.get("/metrics")[1].splitlines()
                   if line.startswith(f"prismguard_gateway_{name}{{") and label in line)

    def wait_moderators(self, count):
        wait_until(lambda: self.metric("pool_slots", 'kind="local"') == count * SLOTS_OF_ONE, PATIENCE_S,
                   f"slots of {count} moderators")

    def wait_ready(self):
        wait_until(lambda: self.get("/readyz")[0] == 200, PATIENCE_S, "the gateway has moderators")

    def wait_healthy(self, service):
        wait_until(lambda: {self.inspect(one)["State"]["Health"]["Status"] for one in self.containers(service)} == {"healthy"},
                   PATIENCE_S, f"{service} healthy")

    def query(self, sql):
        """As the role that the services use, over the network, with its password."""
        self.wait_healthy("postgres")
        postgres, = self.containers("postgres")
        return run("docker", "exec", postgres, "sh", "-c",
                   'PGPASSWORD=$(cat /run/prismguard/database) exec psql -h 127.0.0.1 -U prismguard -AtXc "$0"', sql).stdout.strip()

    def client(self):
        return openai.OpenAI(base_url=f"http://127.0.0.1:{self.port}/demo/v1", api_key="none", max_retries=0, timeout=REQUEST_S)


SLOTS_OF_ONE = 2 * 8  # moderator.threads of deploy/compose/prismguard.yaml, times moderator.slots


@pytest.fixture(scope="module")
def compose():
    compose = Compose(f"prismguard-test-{os.getpid()}")
    try:
        compose("build", "--force-rm", timeout=1800)
        started = time.monotonic()
        compose("up", "-d", timeout=600)
        compose.wait_ready()
        compose.wait_moderators(2)
        print(f"\nup and ready in {time.monotonic() - started:.1f} s")
        yield compose
    finally:
        if os.environ.get("CONTAINERS_LOGS"):
            pathlib.Path(os.environ["CONTAINERS_LOGS"]).write_text(compose("logs", "--no-color", check=False).stdout)
        # Its status tells of networks too, and an Engine 20.10 under load may keep an endpoint whose container is gone.
        compose("down", "--volumes", "--remove-orphans", check=False, timeout=300)
        assert not run("docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={compose.project}").stdout
        for name in ("gateway", "moderator", "trainer", "demo"):
            # The layers stay, as the classic builder's cache.
            run("docker", "image", "rm", "--no-prune", f"prismguard-{name}:{compose.project}", check=False)


def ask(client, text):
    return client.chat.completions.create(model="demo", messages=[{"role": "user", "content": text}])


class Load:
    """Clients of the official SDK, without retries, each text another one, so that each is reviewed and labelled."""

    def __init__(self, compose, name):
        self.compose, self.name, self.answered, self.wrong, self.ended = compose, name, 0, [], threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._send, args=(number,)) for number in range(CLIENTS)]

    def _send(self, number):
        client, count = self.compose.client(), 0
        while not self.ended.is_set():
            count += 1
            try:
                text = ask(client, f"{self.name} {number} {count}").choices[0].message.content
                wrong = None if text.startswith("This answer") else text
            except openai.OpenAIError as error:
                wrong = repr(error)
            with self.lock:
                self.answered += 1
                if wrong:
                    self.wrong.append(wrong)

    def wait_more(self, count):
        goal = self.answered + count
        wait_until(lambda: self.answered >= goal, PATIENCE_S, f"{goal} answers; wrong: {self.wrong[:3]}")


@contextlib.contextmanager
def load(compose, name):
    """Requests flow within; none of them may have gone wrong."""
    running = Load(compose, name)
    for thread in running.threads:
        thread.start()
    try:
        running.wait_more(CLIENTS)
        yield running
        running.wait_more(CLIENTS)
    finally:
        running.ended.set()
        for thread in running.threads:
            thread.join(REQUEST_S + 10)
    assert not running.wrong, f"{len(running.wrong)} of {running.answered}: {running.wrong[:5]}"


def test_the_official_client_is_answered_streamed_to_and_refused(compose):
    client = compose.client()
    assert ask(client, "Hello there").choices[0].message.content.startswith("This answer")
    stream = client.chat.completions.create(model="demo", stream=True, messages=[{"role": "user", "content": "Hello there"}])
    assert len([chunk for chunk in stream if chunk.choices and chunk.choices[0].delta.content]) > 5
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, "say the forbidden-keyword")
    assert refused.value.code == "content_filter"


def test_every_container_is_healthy_and_has_given_up_what_it_does_not_need(compose):
    for service in SERVICES:
        if service != "llm":
            compose.wait_healthy(service)
        for container in compose.containers(service):
            seen = compose.inspect(container)
            host = seen["HostConfig"]
            assert host["ReadonlyRootfs"] and host["Init"] and host["Tmpfs"], service
            assert host["CapDrop"] == ["ALL"] and not host["CapAdd"] and not host["Privileged"], service
            assert any(option.startswith("no-new-privileges") for option in host["SecurityOpt"]), service
            assert host["Memory"] > 0 and host["PidsLimit"] > 0, service
            assert seen["Config"]["User"] == ("999:999" if service == "postgres" else "10001:10001")
            status = pathlib.Path(f"/proc/{seen['State']['Pid']}/status").read_text()
            assert "CapEff:\t0000000000000000" in status and "CapBnd:\t0000000000000000" in status, service
            assert "NoNewPrivs:\t1" in status, service


def test_only_the_gateway_is_published_and_only_on_this_machine(compose):
    for service in SERVICES:
        for container in compose.containers(service):
            ports = compose.inspect(container)["HostConfig"]["PortBindings"] or {}
            assert {one["HostIp"] for published in ports.values() for one in published} == ({"127.0.0.1"} if service == "gateway" else set())


def test_who_has_no_business_with_another_cannot_reach_it(compose):
    def networks(service):
        return {name.removeprefix(f"{compose.project}_") for name in compose.inspect_one(service)["NetworkSettings"]["Networks"]}
    assert networks("gateway") == {"edge", "pool"}
    assert networks("trainer") == {"pool", "database"}
    assert networks("postgres") == {"database"}
    for name, internal in (("edge", False), ("review", False), ("pool", True), ("database", True)):
        assert json.loads(run("docker", "network", "inspect", f"{compose.project}_{name}").stdout)[0]["Internal"] == internal


def test_secrets_are_read_by_those_they_are_for(compose):
    postgres, = compose.containers("postgres")

    def read(name):
        return run("docker", "exec", postgres, "cat", f"/run/prismguard/{name}", check=False)
    password = read("database").stdout.strip()
    assert len(password) == 64
    for name in ("gateway.key", "moderator.key", "trainer.key", "hash"):
        assert "Permission denied" in read(name).stderr, name
    assert run("docker", "exec", postgres, "ls", "/run/prismguard", check=False).returncode != 0
    for service in SERVICES:
        for container in compose.containers(service):
            assert password not in json.dumps(compose.inspect(container)), f"the password is in the configuration of {service}"
    assert compose.query("select rolsuper from pg_roles where rolname = current_user") == "f"


def test_moderators_come_and_go_while_requests_flow(compose):
    with load(compose, "scale") as running:
        compose.scale(8)
        compose.wait_moderators(8)
        running.wait_more(4 * CLIENTS)
        compose.scale(1)
        compose.wait_moderators(1)
        running.wait_more(4 * CLIENTS)
        compose.scale(2)
        compose.wait_moderators(2)


def service_process(container):
    """The process that the container's init waits for."""
    init = str(json.loads(run("docker", "inspect", container).stdout)[0]["State"]["Pid"])
    return int(run("ps", "-o", "pid=", "--ppid", init).stdout.split()[0])


def test_a_killed_moderator_costs_no_request_and_is_started_anew(compose):
    victim = compose.containers("moderator")[0]
    with load(compose, "kill") as running:
        # Not `docker kill`: that counts as a wish, and the restart policy would not act.
        os.kill(service_process(victim), signal.SIGKILL)
        wait_until(lambda: compose.inspect(victim)["RestartCount"] == 1, PATIENCE_S, "a restart")
        compose.wait_moderators(2)
        running.wait_more(CLIENTS)


def labels(compose, name):
    return int(compose.query(f"select count(*) from samples where convert_from(text, 'UTF8') like '{name} %'"))


def test_a_restart_of_trainer_and_postgres_loses_no_request_and_no_label(compose):
    reviewed_before = compose.metric("requests_total", 'source="review"')
    with load(compose, "restart") as running:
        compose("restart", "trainer")
        running.wait_more(CLIENTS)
        compose("stop", "postgres")
        running.wait_more(4 * CLIENTS)
        compose("start", "postgres")
        running.wait_more(4 * CLIENTS)
        compose.wait_healthy("trainer")
    reviewed = compose.metric("requests_total", 'source="review"') - reviewed_before
    assert reviewed > running.answered / 2
    wait_until(lambda: labels(compose, "restart") == reviewed, PATIENCE_S, f"{reviewed} labels, not {labels(compose, 'restart')}")
    ready = compose("exec", "-T", "trainer", "prismguard-trainer", "--ready", "/etc/prismguard/prismguard.yaml", check=False)
    assert ready.returncode == 0, ready.stdout + ready.stderr


def leads(trainer):
    """Asked within the container, whose admin port is on its own loopback."""
    ask_it = ("exec 3<>/dev/tcp/127.0.0.1/9092; cat <&3 & "
              r"printf 'GET /metrics HTTP/1.1\r\nHost: trainer\r\nConnection: close\r\n\r\n' >&3; wait")
    return "\nprismguard_trainer_leader 1" in run("docker", "exec", trainer, "bash", "-c", ask_it, check=False).stdout


def test_a_second_trainer_stands_by_where_moderators_find_it_and_takes_over(compose):
    compose("up", "-d", "--no-recreate", "--scale", "trainer=2")
    try:
        compose.wait_healthy("trainer")
        trainers = compose.containers("trainer")
        assert len(trainers) == 2
        found = run("docker", "exec", compose.containers("moderator")[0], "getent", "ahostsv4", "trainer").stdout
        assert len({line.split()[0] for line in found.splitlines()}) == 2, found
        leader, = [trainer for trainer in trainers if leads(trainer)]
        run("docker", "kill", leader)  # a wish: it is not started anew
        standby, = [trainer for trainer in trainers if trainer != leader]
        wait_until(lambda: leads(standby), PATIENCE_S, "a successor")
    finally:
        compose("up", "-d")
    compose.wait_healthy("trainer")
    assert len(compose.containers("trainer")) == 1


def test_a_gateway_that_comes_back_at_another_address_is_found(compose):
    network = f"{compose.project}_pool"
    before = compose.inspect_one("gateway")["NetworkSettings"]["Networks"][network]["IPAddress"]
    compose("rm", "-s", "-f", "gateway")
    other, = compose.containers("llm")
    run("docker", "network", "connect", network, other, check=False)  # it takes the free one
    try:
        compose("up", "-d", "gateway")
        assert compose.inspect_one("gateway")["NetworkSettings"]["Networks"][network]["IPAddress"] != before
        compose.wait_moderators(2)
        assert ask(compose.client(), "Hello again").choices[0].message.content.startswith("This answer")
    finally:
        run("docker", "network", "disconnect", network, other, check=False)


def test_a_second_up_changes_nothing(compose):
    before = {service: compose.containers(service) for service in SERVICES}
    password = compose("exec", "-T", "postgres", "cat", "/run/prismguard/database").stdout
    compose("up", "-d")
    assert {service: compose.containers(service) for service in SERVICES} == before
    assert compose("exec", "-T", "postgres", "cat", "/run/prismguard/database").stdout == password
    compose.wait_ready()
