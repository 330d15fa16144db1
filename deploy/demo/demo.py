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


def total(found, name, label=""):
    return sum(value for labels, value in found.get(name, []) if label in labels)


def greatest(found, name):
    """Of its series; one that has no value yet (NaN) counts as none."""
    return max((value for _, value in found.get(name, []) if value == value), default=0)


class Sender:
    """One kept connection for each worker thread."""

    def __init__(self, address, route):
        self.address, self.route = address, route

    def send(self, rows):
        connection = http.client.HTTPConnection(self.address, timeout=60)
        agreed = blocked = failed = 0
        for row in rows:
            body = json.dumps({"model": "demo", "messages": [{"role": "user", "content": row["text"]}]})
            connection.request("POST", self.route + "/v1/chat/completions", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            if answer.status == 400 and b"MODERATION_BLOCKED" in content:
                blocked += 1
                agreed += row["label"] == 1
            elif answer.status == 200:
                agreed += row["label"] == 0
            else:
                failed += 1
        connection.close()
        return agreed, blocked, failed, len(rows)


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


def figures_of(options, before, sent, agreed):
    after = metrics(options.gateway_admin)
    def decided(source):
        return total(after, "prismguard_gateway_requests_total", f'source="{source}"') - \
            total(before, "prismguard_gateway_requests_total", f'source="{source}"')
    reviewed = decided("review")
    local = max(0, sent - reviewed - decided("history"))
    version = max(greatest(metrics(a), "prismguard_moderator_model_version") for a in options.moderator_admin)
    auc = greatest(metrics(options.trainer_admin), "prismguard_trainer_auc")
    return (sent, int(reviewed), int(local), f"{100 * local / max(1, sent):.1f}", f"{agreed / max(1, sent):.3f}",
            int(version) or "none", f"{auc:.3f}" if auc > 0 else "-")


def run_pass(options, table, name, rows):
    before = metrics(options.gateway_admin)
    sender = Sender(options.gateway, options.route)
    agreed = failed = sent = 0
    parts = [rows[i:i + 10] for i in range(0, len(rows), 10)]
    with concurrent.futures.ThreadPoolExecutor(options.concurrency) as pool:
        for done in concurrent.futures.as_completed(pool.submit(sender.send, part) for part in parts):
            part_agreed, _, part_failed, count = done.result()
            agreed, failed, sent = agreed + part_agreed, failed + part_failed, sent + count
            if table.live:
                table.row(name, figures_of(options, before, sent, agreed), last=False)
    table.row(name, figures_of(options, before, sent, agreed), last=True)
    if failed:
        print(f"demo: {failed} requests failed", file=sys.stderr)
    return failed


def versions(options):
    return [greatest(metrics(address), "prismguard_moderator_model_version") for address in options.moderator_admin]


def wait_for_model(options, older, refused):
    """Until every moderator uses a version newer than `older`. False when none is to be expected: too few new samples, which no
    longer grow in number, or a model that its gate refused."""
    started = changed = time.monotonic()
    seen = None

    def done(line):
        print(("\r" + " " * 78 + "\r" if sys.stdout.isatty() else "") + "  " + line)

    while min(versions(options)) <= older:
        now, trainer = time.monotonic(), metrics(options.trainer_admin)
        new, wanted = (int(greatest(trainer, "prismguard_trainer_" + name)) for name in ("new_samples", "min_samples"))
        rows = int(total(trainer, "prismguard_trainer_rows_total"))
        if (new, rows) != seen:
            seen, changed = (new, rows), now
        if total(trainer, "prismguard_trainer_runs_total", 'status="refused"') > refused:
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
    refused = total(metrics(options.trainer_admin), "prismguard_trainer_runs_total", 'status="refused"')
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
