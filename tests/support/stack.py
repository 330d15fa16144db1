"""Real services for the system tests: a private PostgreSQL, trainer, moderators, gateway; started and stopped by process id."""
import collections
import contextlib
import json
import os
import pathlib
import random
import re
import shlex
import signal
import socket
import subprocess
import urllib.error
import urllib.request

from upstream import PATIENCE_S, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
SANITIZED = pathlib.Path(os.environ.get("SERVICES_SANITIZED", ROOT / "build/tests/bin"))
RELEASE = pathlib.Path(os.environ.get("SERVICES_RELEASE", ROOT / "build/bin"))


def free_port():
    """Below the ports that the kernel gives to clients: one of those could be taken again before a service binds it."""
    while True:
        port = random.randrange(10000, 32768)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def is_alive(process):
    """Zombies are not: who started them may take its time."""
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Cluster:
    def __init__(self, folder):
        self.folder = folder
        self.start()
        self.url = self._shell(f"postgres_url {folder}").strip()

    @staticmethod
    def _shell(command):
        done = subprocess.run(["bash", "-c", f". {ROOT}/deploy/postgres.sh; {command}"], capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def query(self, sql):
        done = subprocess.run(["psql", self.url, "-AtX", "-F", "\t", "-c", sql], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]

    def empty(self):
        self.query("drop schema public cascade; create schema public")

    def start(self):
        self._shell(f"postgres_start {self.folder}")

    def stop(self):
        self._shell(f"postgres_stop {self.folder}")

    close = stop

    @property
    def home(self):
        return pathlib.Path((pathlib.Path(self.folder) / "home").read_text().strip())

    def rule(self, sql):
        """Runs SQL as the cluster's superuser."""
        return self._shell(f"as_postgres psql -h {self.home} -d postgres -AtX -c {shlex.quote(sql)}")

    def processes(self):
        """The first, which makes the others, and its children."""
        first = int((self.home / "data/postmaster.pid").read_text().split()[0])
        return [first, *map(int, pathlib.Path(f"/proc/{first}/task/{first}/children").read_text().split())]

    def _stopped(self):
        """All of them, the first stopped so that it makes no more."""
        os.kill(self.processes()[0], signal.SIGSTOP)
        return self.processes()

    def kill(self):
        """All of its processes at once, as a machine that loses its power."""
        processes = self._stopped()
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        for process in processes:
            wait_until(lambda: not is_alive(process), what="an end of the database")

    @contextlib.contextmanager
    def frozen(self):
        """All of its processes stand still, as a machine that hangs: connections are taken, and nothing is answered."""
        stopped = self._stopped()
        try:
            for process in stopped[1:]:
                os.kill(process, signal.SIGSTOP)
            yield
        finally:
            for process in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)


class Service:
    """One process; its log lines are JSON."""

    def __init__(self, name, config, folder, admin_port, programs=SANITIZED, environment=None, through=()):
        """`through`: a command that ends by executing what follows it."""
        self.name, self.admin_port, self.config = name, admin_port, config
        self.log_file = folder / f"{name}-{free_port()}.log"
        program = programs / ("prismguard-" + name.split("-")[0])
        self.environment = {**os.environ, **(environment or {})}
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen([*through, program, "--config", config], stdout=log, stderr=log, env=self.environment)

    def lines(self):
        found = []
        for line in self.log_file.read_text(errors="replace").split("\n")[:-1]:  # what is behind the last is being written
            if line.startswith("{"):
                found.append(json.loads(line))
        return found

    def events(self, event, **wanted):
        return [line for line in self.lines()
                if line.get("event") == event and all(line.get(key) == value for key, value in wanted.items())]

    def wait_event(self, event, **wanted):
        def seen():
            assert self.process.poll() is None, f"{self.name} ended: {self.log_file.read_text()[-2000:]}"
            return self.events(event, **wanted)
        return wait_until(seen, what=f"{self.name}: event {event} {wanted}")[-1]

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_ready(self, path="/readyz"):
        def ready():
            assert self.process.poll() is None, f"{self.name} ended: {self.log_file.read_text()[-2000:]}"
            return self.get(path)[0] == 200
        wait_until(ready, what=f"{self.name} ready: {self.get(path)}")
        return self

    def metric(self, name, **labels):
        """Sum of the series of `name` that carry these labels."""
        value = 0.0
        for line in self.get("/metrics")[1].splitlines():
            match = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)", line)
            if match and match.group(1) == name and all(f'{k}="{v}"' in (match.group(2) or "") for k, v in labels.items()):
                value += float(match.group(3))
        return value

    def unrest(self):
        """What a gateway that nobody asks anything of still holds: gauges and accounts that are not 0, by name."""
        held = {}
        for line in self.get("/metrics")[1].splitlines():
            match = re.fullmatch(r"prismguard_(gateway_(?:in_flight|streams|unsent_bytes|decoders|decoders_brotli|connections|"
                                 r"pool_queue_jobs|pool_queue_bytes|pool_slots|upstream_(?:connections|idle))|memory_account_bytes)"
                                 r"(?:\{(.*)\})? (\S+)", line)
            if match and not (match.group(1) == "gateway_pool_slots" and 'state="busy"' not in match.group(2)):
                held[(match.group(1), match.group(2) or "")] = float(match.group(3))
        idle = held.pop(("gateway_upstream_idle", ""), 0)
        if idle:
            held[("gateway_upstream_connections", "")] -= idle
        return {name: value for name, value in held.items() if value != 0}

    def owed(self):
        """What a gateway holds for requests, by account: connections that are kept may stay."""
        return {labels: value for (name, labels), value in self.unrest().items()
                if name == "memory_account_bytes" and labels != 'account="connections"'}

    def wait_paid(self):
        """Waits until all of that has been given back."""
        if owed := self.owed():
            wait_until(lambda: not self.owed(), what=f"{self.name} without debts, at first {owed}")

    def wait_rest(self):
        """Waits until all that it held has been given back."""
        wait_until(lambda: not self.unrest(), what=f"{self.name} at rest: {self.unrest()}")

    def open_files(self):
        """How many descriptors it has, by what they lead to."""
        kinds = collections.Counter()
        for entry in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                kinds[re.sub(r"\d+", "N", os.readlink(entry))] += 1
        return kinds

    def memory_kib(self, what="VmRSS"):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{what}:\s+(\d+) kB", status).group(1))

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def stop(self):
        """SIGTERM; returns the exit status after checking that no sanitizer spoke."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        text = self.log_file.read_text(errors="replace")
        assert "Sanitizer" not in text and "runtime error" not in text, text[-6000:]
        return status


class Stack:
    """The whole: one route /openai (chat, judged by profile `default`) and one /plain (not judged). `more`: sections added;
    `through`: a command that ends by executing the gateway."""

    def __init__(self, folder, upstream, cluster=None, review=True, moderators=1, programs=SANITIZED, limits="", profile="", through=(),
                 keywords="forbidden-keyword\n", route="", pool="", more="", threads=2, drain="5s", lead="0s"):
        self.folder, self.upstream, self.programs, self.threads, self.drain, self.lead = folder, upstream, programs, threads, drain, lead
        self.ports = {name: free_port() for name in ("gateway", "gateway_admin", "pool", "feed", "trainer_admin")}
        profiles = folder / "profiles/default"
        profiles.mkdir(parents=True, exist_ok=True)
        (profiles / "keywords.txt").write_text(keywords)
        (folder / "hash").write_text("a key for hashes")
        (folder / "state").mkdir(exist_ok=True)
        self.config = folder / "prismguard.yaml"
        self.config.write_text(self._yaml(cluster, review, limits, profile, route, pool) + more)
        self.services = []
        try:
            self._start_all(cluster, moderators, through)
        except BaseException:
            for service in self.services:
                service.kill()
            raise

    def _start_all(self, cluster, moderators, through):
        self.trainer = self._start("trainer", self.ports["trainer_admin"]) if cluster else None
        if self.trainer:
            self.trainer.wait_ready()
        self.gateway = self._start("gateway", self.ports["gateway_admin"], through=through).wait_ready("/healthz")
        self.moderators = [self.start_moderator() for _ in range(moderators)]
        if moderators:
            self.gateway.wait_ready()

    def _yaml(self, cluster, review, limits, profile, route, pool):
        p = self.ports
        review_lines = f"""
    review:
      url: {self.upstream.url}/v1/chat/completions
      models: [reviewer]
      sample_rate: 0""" if review else ""
        database = f"""
database:
  url: "{cluster.url}"
  hash_key_file: {self.folder}/hash""" if cluster else ""
        trainer = f"""
trainer:
  admin_listen: 127.0.0.1:{p['trainer_admin']}
  publish: tcp://127.0.0.1:{p['feed']}
  check_every: 1s""" if cluster else ""
        return f"""
gateway:
  listen: 127.0.0.1:{p['gateway']}
  admin_listen: 127.0.0.1:{p['gateway_admin']}
  threads: {self.threads}
  allow_private_upstreams: true
  limits:
    drain_lead: {self.lead}
    drain: {self.drain}{limits}
routes:
  - path: /openai
    upstream: {self.upstream.url}
    from: openai_chat
    to: same
    moderation: default{route}
  - path: /plain
    upstream: {self.upstream.url}
    moderation: none
moderation:
  bind: tcp://127.0.0.1:{p['pool']}{pool}
profiles:
  default:
    keywords: [keywords.txt]{review_lines}{profile}
moderator:
  gateways: [tcp://127.0.0.1:{p['pool']}]
  models: [tcp://127.0.0.1:{p['feed']}]
  threads: 1
  state_dir: {self.folder}/state
  slots: 4{trainer}{database}
"""

    def _start(self, name, admin_port, environment=None, config=None, through=()):
        service = Service(name, config or self.config, self.folder, admin_port, self.programs, environment, through)
        self.services.append(service)
        return service

    def start_trainer(self):
        """Another trainer of the same settings, with a feed of its own."""
        port, feed = free_port(), free_port()
        return self._start("trainer", port, {"PRISMGUARD_TRAINER_ADMIN_LISTEN": f"127.0.0.1:{port}",
                                             "PRISMGUARD_TRAINER_PUBLISH": f"tcp://127.0.0.1:{feed}"}).wait_ready()

    def start_moderator(self, config=None, ready=True, through=()):
        port = free_port()
        service = self._start("moderator", port, {"PRISMGUARD_MODERATOR_ADMIN_LISTEN": f"127.0.0.1:{port}"}, config, through)
        return service.wait_ready() if ready else service

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.ports['gateway']}/openai/v1"

    def start_gateway(self, pool, ready="/healthz"):
        """Another gateway of the same settings, which moderators reach at `pool`; its service and its port for clients."""
        names = {name: free_port() for name in ("gateway", "gateway_admin")}
        config = self.folder / f"gateway-{names['gateway']}.yaml"
        text = self.config.read_text().replace(f"bind: tcp://127.0.0.1:{self.ports['pool']}", f"bind: {pool}")
        for name, port in names.items():
            text = text.replace(f"127.0.0.1:{self.ports[name]}", f"127.0.0.1:{port}")
        config.write_text(text)
        return self._start("gateway", names["gateway_admin"], config=config).wait_ready(ready), names["gateway"]

    def connect(self, timeout=PATIENCE_S, port=None):
        connection = socket.create_connection(("127.0.0.1", port or self.ports["gateway"]), timeout=timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def post(self, body, path="/openai/v1/chat/completions", fields=(), port=None):
        """One request over a socket of its own: status, fields, body."""
        with self.connect(port=port) as connection:
            connection.sendall(request_bytes(body, path, fields, close=True))
            return read_answer(connection)

    def chat(self, text, model="answer", port=None, **more):
        return self.post(json.dumps({"model": model, "messages": [{"role": "user", "content": text}], **more}).encode(), port=port)

    def close(self):
        """Every service ends with status 0 on SIGTERM, in the order in which an operator would."""
        statuses = {}
        for service in reversed(self.services):
            if service.process.poll() is None or service.process.returncode != -signal.SIGKILL:
                statuses[service.name] = service.stop()
        assert set(statuses.values()) <= {0}, statuses


def request_bytes(body, path="/openai/v1/chat/completions", fields=(), close=False):
    lines = [f"POST {path} HTTP/1.1", "Host: gateway", "Content-Type: application/json", f"Content-Length: {len(body)}",
             *(["Connection: close"] if close else []), *[f"{name}: {value}" for name, value in fields], "", ""]
    return "\r\n".join(lines).encode() + body


def read_head(answers):
    """Of the next answer on a connection that stays (a binary file): status and fields."""
    status = int(answers.readline().split()[1])
    fields = {}
    while line := answers.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        fields[name.lower()] = value.strip()
    return status, fields


def read_answer(connection):
    data = b""
    while True:
        more = connection.recv(65536)
        if not more:
            break
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        fields[name.lower()] = value.strip()
    status = int(lines[0].split()[1]) if lines[0] else 0
    return status, fields, body
