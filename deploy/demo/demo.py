#!/usr/bin/env python3
"""The loop, closed by one command: labelled texts go through the gateway, the reviewer labels what the model is unsure of,
the trainer learns, the moderators switch, and a second pass is mostly decided locally.

Standard library only. Figures come from outside: HTTP statuses of the gateway and the services' /metrics.
"""
import argparse
import concurrent.futures
import gzip
import http.client
import json
import re
import sys
import time
import urllib.request

COLUMNS = "{:<22} {:>7} {:>9} {:>8} {:>8} {:>10} {:>9} {:>7}"


def read_texts(file, first, count):
    """Every text has a place in the file's order (by hash, so it is a random order)."""
    rows = []
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if number >= first + count:
                break
            if number >= first:
                rows.append(json.loads(line))
    return rows


def metrics(address):
    """Sum of each metric's series, and the series themselves."""
    found = {}
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            for line in answer.read().decode().splitlines():
                match = re.fullmatch(r'([a-z_]+)(?:\{(.*)\})? (\S+)', line)
                if match:
                    found.setdefault(match.group(1), []).append((match.group(2) or "", float(match.group(3))))
    except OSError as error:
        sys.exit(f"demo: no answer from http://{address}/metrics ({error}); is it up? deploy/local up")
    return found


def of(found, name, **wanted):
    """The values of its series that carry these labels."""
    parts = [f'{label}="{value}"' for label, value in wanted.items()]
    return [value for labels, value in found.get(name, []) if all(part in labels for part in parts)]


def total(found, name, **wanted):
    return sum(of(found, name, **wanted))


def greatest(found, name, **wanted):
    """One that has no value yet (NaN) counts as none."""
    return max((value for value in of(found, name, **wanted) if value == value), default=0)


class Failure:
    """Why a request has no verdict, in words."""

    def __init__(self, status, said):
        self.status, self.said = status, said

    def __str__(self):
        if self.status == 401:
            return f"{self.said} (the gateway lets in who has one of gateway.keys: `build/bin/prismguard-gateway key NAME` " \
                   "makes one; give it by --key-file FILE)"
        return self.said


def failure_of(status, content):
    try:
        message = json.loads(content)["error"]["message"]
    except (ValueError, LookupError, TypeError):
        message = http.client.responses.get(status, "no status that is known")
    return Failure(status, f"{status}, {message}")


class Sender:
    """One kept connection for each worker thread."""

    def __init__(self, address, route, key):
        self.address, self.route = address, route
        self.fields = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}

    def _ask(self, connection, text):
        body = json.dumps({"model": "demo", "messages": [{"role": "user", "content": text}]})
        try:
            connection.request("POST", self.route + "/v1/chat/completions", body, self.fields)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()  # the next request opens it anew
            return 0, error

    def send(self, rows):
        """How many had a verdict that agrees with their label, how many were sent, and each failure."""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        agreed, failures = 0, []
        for row in rows:
            status, content = self._ask(connection, row["text"])
            if status == 400 and b"MODERATION_BLOCKED" in content:
                agreed += row["label"] == 1
            elif status == 200:
                agreed += row["label"] == 0
            else:
                failures.append(failure_of(status, content) if status else Failure(0, f"no answer ({content!r})"))
        connection.close()
        return agreed, failures, len(rows)


class Table:
    """A line a pass; rewritten in place while it runs when the output is a terminal."""

    def __init__(self):
        self.live = sys.stdout.isatty()
        print(COLUMNS.format("pass", "texts", "reviewed", "local", "% local", "agreement", "model", "AUC"))

    def row(self, name, figures, last):
        line = COLUMNS.format(name, *figures)
        if self.live:
            print("\r" + line, end="\n" if last else "", flush=True)
        elif last:
            print(line, flush=True)


def decided(options, before, after, *sources):
    """How many requests of the route were answered by what these decided. One that failed is nobody's decision."""
    return int(sum(total(now, "prismguard_gateway_requests_total", route=options.route, source=source, status=status) * sign
                   for now, sign in ((after, 1), (before, -1)) for status in (200, 400) for source in sources))


def figures_of(options, before, sent, failed, agreed):
    after, answered = metrics(options.gateway_admin), sent - failed
    local = decided(options, before, after, "keyword", "model", "cache")
    version = max(versions(options))
    auc = greatest(metrics(options.trainer_admin), "prismguard_trainer_auc", profile=options.profile)
    return (sent, decided(options, before, after, "review"), local, f"{100 * local / answered:.1f}" if answered else "-",
            f"{agreed / answered:.3f}" if answered else "-", int(version) or "none", f"{auc:.3f}" if auc > 0 else "-")


def run_pass(options, table, name, rows):
    before = metrics(options.gateway_admin)
    sender = Sender(options.gateway, options.route, options.key)
    agreed = sent = 0
    failures = []
    parts = [rows[i:i + 10] for i in range(0, len(rows), 10)]
    with concurrent.futures.ThreadPoolExecutor(options.concurrency) as pool:
        for done in concurrent.futures.as_completed(pool.submit(sender.send, part) for part in parts):
            part_agreed, part_failures, count = done.result()
            agreed, sent = agreed + part_agreed, sent + count
            failures += part_failures
            if table.live:
                table.row(name, figures_of(options, before, sent, len(failures), agreed), last=False)
    table.row(name, figures_of(options, before, sent, len(failures), agreed), last=True)
    undecided = decided(options, before, metrics(options.gateway_admin), "undecided")
    if undecided:
        print(f"  {undecided} were decided by nobody: there is no model yet, and no reviewer was free")
    if failures:
        print(f"demo: {len(failures)} of {sent} requests failed, the first: {failures[0]}", file=sys.stderr)
    if len(failures) == sent:
        sys.exit("demo: there is nothing to learn from")
    return len(failures)


def versions(options):
    return [greatest(metrics(address), "prismguard_moderator_model_version", profile=options.profile)
            for address in options.moderator_admin]


def refusals(options, trainer):
    return total(trainer, "prismguard_trainer_runs_total", profile=options.profile, status="refused")


def wait_for_model(options, older, refused):
    """Until every moderator uses a version newer than `older`. False when none is to be expected: too few new samples, which no
    longer grow in number, or a model that its gate refused."""
    started = changed = time.monotonic()
    seen = None

    def done(line):
        print(("\r" + " " * 78 + "\r" if sys.stdout.isatty() else "") + "  " + line)

    while min(versions(options)) <= older:
        now, trainer = time.monotonic(), metrics(options.trainer_admin)
        new, wanted = (int(greatest(trainer, "prismguard_trainer_" + name, profile=options.profile))
                       for name in ("new_samples", "min_samples"))
        rows = int(total(trainer, "prismguard_trainer_rows_total", profile=options.profile))
        if (new, rows) != seen:
            seen, changed = (new, rows), now
        if refusals(options, trainer) > refused:
            done("the new model did not pass its gate: the last one serves on (training_done in var/log/trainer.log)")
            return False
        if new < wanted and now - changed > options.settled:
            done(f"no new model yet: {new} of {wanted} new samples since the last training; the next run adds to them")
            return False
        if now - started > options.patience:
            sys.exit(f"demo: no new model within {options.patience:.0f} s; see var/log/trainer.log")
        if sys.stdout.isatty():
            print(f"\r  {new} of {wanted} new samples, {rows} rows drawn, {now - started:.0f} s", end=" " * 20, flush=True)
        time.sleep(0.5)
    done(f"{len(options.moderator_admin)} moderators switched to model version {int(min(versions(options)))} "
         f"after {time.monotonic() - started:.1f} s")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gateway", default="127.0.0.1:8080")
    parser.add_argument("--route", default="/demo")
    parser.add_argument("--profile", default="demo", help="that judges the route (default %(default)s)")
    parser.add_argument("--key-file", default=None, help="holds a key of gateway.keys, where callers need one")
    parser.add_argument("--gateway-admin", default="127.0.0.1:9090")
    parser.add_argument("--moderator-admin", nargs="+", default=["127.0.0.1:9101", "127.0.0.1:9102"])
    parser.add_argument("--trainer-admin", default="127.0.0.1:9092")
    parser.add_argument("--texts", required=True, help="JSON lines of {text, label}, gzipped")
    parser.add_argument("--first", type=int, default=None, help="number of the first text (default: after those of the last run)")
    parser.add_argument("--count", type=int, default=800, help="texts a pass (default %(default)s)")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--patience", type=float, default=120, help="seconds to wait for a model (default %(default)s)")
    parser.add_argument("--settled", type=float, default=10,
                        help="seconds without a new sample after which none is waited for (default %(default)s)")
    parser.add_argument("--state", default=None, help="file that remembers how many texts earlier runs used")
    options = parser.parse_args()
    options.key = None
    if options.key_file:
        try:
            with open(options.key_file, encoding="ascii") as file:
                options.key = file.read().strip()
        except (OSError, ValueError) as error:
            sys.exit(f"demo: --key-file: {error}")
    first = options.first
    if first is None:
        try:
            with open(options.state, encoding="utf-8") as state:
                first = int(state.read())
        except (OSError, TypeError, ValueError):
            first = 0
    rows = read_texts(options.texts, first, 2 * options.count)
    if len(rows) < 2 * options.count:
        first, rows = 0, read_texts(options.texts, 0, 2 * options.count)
    older = min(versions(options))
    trainer = metrics(options.trainer_admin)
    if not of(trainer, "prismguard_trainer_min_samples", profile=options.profile):
        sys.exit(f"demo: the trainer trains no profile '{options.profile}'; --profile names another, --route what leads to it")
    refused = refusals(options, trainer)
    table = Table()
    failed = run_pass(options, table, "1 while it learns" if older == 0 else "1 with the last model", rows[:options.count])
    trained = wait_for_model(options, older, refused)
    failed += run_pass(options, table, "2 after training" if trained else "2 with the last model", rows[options.count:])
    if options.state:
        with open(options.state, "w", encoding="utf-8") as state:
            state.write(str(first + 2 * options.count))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
