"""The trainer's command line: labels in, a model out, labels looked at, labelled anew and deleted; all on a real PostgreSQL."""
import csv
import hashlib
import io
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess

import pytest

from stack import SANITIZED
from upstream import wait_until

TRAINER = SANITIZED / "prismguard-trainer"
TIMEOUT_S = 60


class Desk:
    """A person with the settings' file and no service that runs."""

    def __init__(self, folder, cluster, profile=""):
        self.folder, self.cluster = folder, cluster
        (folder / "hash").write_text("a key for hashes")
        self.config = folder / "prismguard.yaml"
        self.write(profile)

    def write(self, profile):
        self.config.write_text(f"""
profiles:
  default:
    model: {{ kind: hashlinear, low: 0.2, high: 0.8 }}{profile}
database:
  url: "{self.cluster.url}"
  hash_key_file: {self.folder}/hash
""")

    def command(self, *words):
        return [TRAINER, *map(str, words), "--config", self.config]

    def run(self, *words, code=0, given=None):
        done = subprocess.run(self.command(*words), input=given, capture_output=True, text=True, timeout=TIMEOUT_S)
        assert done.returncode == code, (done.returncode, done.stdout[-2000:], done.stderr[-4000:])
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr
        return done

    def json(self, *words, code=0):
        return [json.loads(line) for line in self.run(*words, "--json", code=code).stdout.splitlines()]

    def file(self, name, rows):
        path = self.folder / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path


@pytest.fixture
def desk(cluster, tmp_path):
    cluster.empty()
    return Desk(tmp_path, cluster)


def labelled(count):
    """As many of each label, easily told apart."""
    return [{"text": f"{words} {number}", "label": label} for number in range(count)
            for words, label in (("a pleasant day in the garden", "pass"), ("an awful crime with a knife", "violation"))]


def told(rows, stored, broken, new=None):
    """What an import says of its rows as JSON; all that is stored is new, or so much of it."""
    new = stored if new is None else new
    return {"profile": "default", "rows": rows, "stored": stored, "new": new, "replaced": stored - new, "known": rows - stored,
            "broken": broken}


def facts(cluster):
    """Each text without the line feed that ends it."""
    return cluster.query("select regexp_replace(convert_from(s.text, 'UTF8'), '\\n$', ''), v.label, v.source, s.source from verdicts v "
                         "join samples s using (profile_id, label, text_hash) order by 1")


def test_help_and_wrong_command_lines_need_no_settings(tmp_path):
    def run(*words):
        return subprocess.run([TRAINER, *words], capture_output=True, text=True, timeout=TIMEOUT_S)

    listed = run("help")
    assert listed.returncode == 0
    for name in ("run", "train", "import", "export", "samples"):
        assert f"  {name} " in listed.stdout
        if name != "run":
            assert run(name, "--help").stdout.startswith(f"usage: prismguard-trainer {name} ")
    assert "prismguard-trainer help" in run("--help").stdout
    for words in (["tarin"], ["train"], ["train", "default"], ["train", "a", "b", "--config", "x"], ["train", "default", "--limit", "3"],
                  ["run"], ["import", "default", "file", "--format"]):
        assert run(*words).returncode == 2, words
    assert run("train", "default", "--config", str(tmp_path / "none.yaml")).returncode == 1


def test_labels_go_in_and_out_again(desk, cluster):
    rows = [{"text": "plain", "label": 0}, {"text": "a \"quoted\",\nbroken line \u4f60\u597d", "label": "violation", "category": "spam"},
            {"text": "marked", "label": True, "more": [1]}]
    assert desk.json("import", "default", desk.file("a.jsonl", rows)) == [told(3, 3, 0)]
    out = desk.run("export", "default").stdout
    found = {row["text"]: row for row in map(json.loads, out.splitlines())}
    assert {text: row["label"] for text, row in found.items()} == {
        "plain\n": "pass", rows[1]["text"] + "\n": "violation", "marked\n": "violation"}
    assert found[rows[1]["text"] + "\n"]["category"] == "spam" and found["plain\n"]["source"] == "import"
    written = subprocess.run(desk.command("export", "default", "--format", "csv"), capture_output=True, timeout=TIMEOUT_S).stdout
    table = list(csv.DictReader(io.StringIO(written.decode(), newline="")))
    assert {row["text"]: row["label"] for row in table} == {text: row["label"] for text, row in found.items()}
    assert len(desk.run("export", "default", "--label", "pass").stdout.splitlines()) == 1

    for name, content in (("b.csv", written), ("c.jsonl", out.encode())):
        cluster.query("delete from samples; delete from verdicts")
        (desk.folder / name).write_bytes(content)
        assert desk.json("import", "default", desk.folder / name, "--source", "file") == [told(3, 3, 0)]
        assert desk.run("export", "default").stdout == out
        assert desk.json("import", "default", desk.folder / name, "--source", "file") == [told(3, 0, 0)]
        assert desk.run("export", "default").stdout == out


def test_an_import_says_what_became_of_its_rows(desk):
    rows = labelled(150)
    path = desk.file("a.jsonl", rows + rows[:1])
    first, again = (desk.json("import", "default", path)[0] for _ in range(2))
    assert first == told(301, 300, 0), "what is there twice is known the second time, also in another batch"
    assert again == told(301, 300, 0, new=0)
    desk.run("import", "default", desk.file("b.jsonl", rows[:10]), "--source", "person")
    said = desk.run("import", "default", desk.file("c.jsonl", rows + [{"text": "of today", "label": 0}])).stdout
    assert said == ("default: 301 rows, 291 stored (1 new, 290 in place of a weaker or an older label), "
                    "10 twice or known by the same, a stronger or a newer label, 0 broken\n")


def test_who_labelled_a_text_and_when_is_read_where_the_file_is_asked_for_it(desk, cluster):
    rows = [{"text": "one", "label": 1, "source": "person", "labelled_us": 10 ** 15},
            {"text": "two", "label": 1, "source": "nobody", "labelled_us": "soon"}]
    path = desk.file("a.jsonl", rows)
    assert desk.json("import", "default", path) == [told(2, 2, 0)]
    recent = "select count(*) from verdicts where source = 1 and labelled_at > now() - interval '1 hour'"
    assert cluster.query(recent) == [["2"]]
    assert desk.json("import", "default", path, "--source", "file") == [told(1, 1, 1, new=0)]
    assert cluster.query("select source, extract(epoch from labelled_at)::int from verdicts order by source")[1] == ["3", "1000000000"]


def test_a_directory_is_said_to_be_one(desk):
    assert desk.run("import", "default", desk.folder, code=1).stderr == f"prismguard-trainer import: {desk.folder}: it is a directory\n"


def test_every_label_is_exported_however_many_pages_they_fill(desk):
    rows = [{"text": f"text number {number}", "label": number % 2} for number in range(600)]
    desk.run("import", "default", desk.file("a.jsonl", rows))
    assert sorted(json.loads(line)["text"] for line in desk.run("export", "default").stdout.splitlines()) == sorted(
        row["text"] + "\n" for row in rows)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(desk.command("export", "default"), stdout=full, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 1 and "standard output: it cannot be written" in done.stderr and "database" not in done.stderr


def test_broken_rows_are_counted_and_cost_only_themselves(desk, cluster):
    lines = [b'{"text": "first", "label": "pass"}', b"", b'{"text": "no label"}', b"not json", b'{"text": "", "label": 1}',
             b'{"text": "bad \xff bytes", "label": 1}', b'{"text": 5, "label": 1}', b'{"text": "strange", "label": "maybe"}',
             b'{"text": "' + b"x" * (1 << 20) + b'", "label": 0}', b'{"text": "' + b"x" * (1 << 20) + b'y", "label": 0}',
             b'{"text": "' + b"z" * (7 << 20) + b'", "label": 0}', b'{"text": "last", "label": "violation"}']
    (desk.folder / "a.jsonl").write_bytes(b"\n".join(lines))
    done = desk.run("import", "default", desk.folder / "a.jsonl", "--json")
    assert json.loads(done.stdout) == told(3, 3, 8)
    assert done.stderr.count("is broken") == 5 and "strange" not in done.stderr
    assert "line 3 is broken and passed over: it has no label\n" in done.stderr
    table = 'label,text\r\n0,"two\nlines"\r\n1,plain 5" quote\r\n1,only one too many,x\r\n,\r\nviolation,"end ""quoted"""'
    assert desk.json("import", "default", desk.file("b.csv", []), code=1) == []
    done = desk.run("import", "default", "-", "--format", "csv", "--json", given=table)
    assert json.loads(done.stdout) == told(3, 3, 2)
    assert {row["text"] for row in desk.json("samples", "default") if len(row["text"]) < 100} == {
        "first\n", "last\n", "two\nlines\n", "only one too many\n", 'end "quoted"\n'}
    done = desk.run("import", "default", "-", given="not json", code=1)
    assert "0 stored" in done.stdout and "no row of it can be used" in done.stderr


def test_an_import_that_was_interrupted_is_made_again(desk, cluster):
    """It stands still in its second batch, is ended there, and the whole file is imported again."""
    path = desk.file("a.jsonl", labelled(300))
    desk.json("import", "default", desk.file("first.jsonl", labelled(1)))
    cluster.query("create function slow() returns trigger language plpgsql as $$ begin "
                  "if (select count(*) from verdicts) > 200 then perform pg_sleep(600); end if; return null; end $$; "
                  "create trigger slow after insert on samples for each statement execute function slow()")
    running = subprocess.Popen(desk.command("import", "default", path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sleeping = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
    wait_until(lambda: cluster.query(sleeping) == [["1"]], what="an import that is under way")
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=TIMEOUT_S) == -signal.SIGTERM
    cluster.query("select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'")
    cluster.query("drop trigger slow on samples")
    assert desk.json("import", "default", path)[0]["rows"] == 600
    assert cluster.query("select count(*), count(distinct text_hash) from samples") == [["600", "600"]]


def test_a_persons_label_stays_whatever_is_imported(desk, cluster):
    desk.run("import", "default", desk.file("a.jsonl", [{"text": "one", "label": 0}, {"text": "two", "label": 1}]))
    chosen = next(row["hash"] for row in desk.json("samples", "default") if row["text"] == "one\n")
    said = desk.run("samples", "default", "relabel", chosen, "violation", "--category", "insult").stdout
    assert "violation" in said and "person" in said and "insult" in said
    assert facts(cluster) == [["one", "1", "3", "3"], ["two", "1", "1", "1"]]
    done = desk.json("import", "default", desk.file("b.jsonl", [{"text": "one", "label": 0}]))
    assert done == [told(1, 0, 0)]
    assert facts(cluster)[0] == ["one", "1", "3", "3"]
    desk.run("samples", "default", "relabel", chosen, "violation")
    desk.run("import", "default", desk.folder / "b.jsonl", "--source", "person")
    assert facts(cluster)[0] == ["one", "0", "3", "3"]
    same = next(row["hash"] for row in desk.json("samples", "default", "--source", "import"))
    desk.run("samples", "default", "relabel", same, "violation")
    assert facts(cluster)[1] == ["two", "1", "3", "3"], "the label stays, its weight grows"


def test_samples_are_listed_shown_and_deleted(desk, cluster):
    desk.run("import", "default", desk.file("a.jsonl", [{"text": f"text\x1b[31m {n} " + "long " * 50, "label": n % 2} for n in range(30)]))
    assert len(desk.run("samples", "default").stdout.splitlines()) == 20
    assert len(desk.json("samples", "default", "--limit", "30")) == 30
    only = desk.json("samples", "default", "--label", "violation", "--limit", 100)
    assert len(only) == 15 and {row["label"] for row in only} == {"violation"}
    desk.run("samples", "default", "relabel", only[1]["hash"], "violation", "--category", "spam")
    assert [row["hash"] for row in desk.json("samples", "default", "--category", "spam")] == [only[1]["hash"]]
    assert desk.json("samples", "default", "--category", "spa") == []
    listed = desk.run("samples", "default", "--limit", 1).stdout
    assert "\x1b" not in listed and " ..." in listed
    chosen = only[0]["hash"]
    assert desk.run("samples", "default", "show", chosen).stdout.count("long") == 50
    assert desk.json("samples", "default", "delete", chosen) == [{"deleted": 1}]
    assert desk.json("samples", "default", "delete", chosen, code=3) == [{"deleted": 0}]
    desk.run("samples", "default", "show", chosen, code=1)
    assert cluster.query("select count(*) from verdicts") == [["29"]]
    for words in (["samples", "default", "show"], ["samples", "default", "delete", "12"], ["samples", "default", "burn", chosen],
                  ["samples", "default", "relabel", chosen, "maybe"], ["samples", "default", "--limit", "10001"],
                  ["samples", "default", "--key", "team-a"], ["samples", "default", "show", chosen, "--label", "pass"],
                  ["samples", "default", "delete", chosen, "--category", "spam"], ["samples", "default", "delete", chosen, chosen],
                  ["samples", "delete", "--key", "team-a", "--label", "pass"], ["samples", "default", "--category", ""]):
        desk.run(*words, code=2)
    desk.run("samples", "nobody", code=1)


def test_what_a_terminal_would_follow_is_spelled_out_for_people_only(desk, cluster):
    tricks = "\x1b[2K\x7f\u009b31m\u202e\u2066\u200f\u061c\u2028"
    spelled = "\\u001b[2K\\u007f\\u009b31m\\u202e\\u2066\\u200f\\u061c\\u2028"
    desk.run("import", "default", desk.file("a.jsonl", [{"text": tricks + "\u4e2d" * 100, "label": 1}]))
    cluster.query("update verdicts set category = 'a' || chr(155) || 'b' || chr(8238)")  # as a reviewer may have said
    listed = desk.run("samples", "default").stdout
    as_json = desk.run("samples", "default", "--json").stdout
    row = json.loads(as_json)
    shown = desk.run("samples", "default", "show", row["hash"]).stdout
    for plain in listed, shown:
        assert '"a\\u009bb\\u202e"  "' + spelled in plain
        assert not any(trick in plain for trick in "\x1b\x7f\u009b\u202e\u2066\u2028")
    assert listed.endswith('\u4e2d" ...\n') and "\ufffd" not in listed  # cut between two characters
    assert row["text"] == tricks + "\u4e2d" * 100 + "\n" and row["category"] == "a\u009bb\u202e"
    for data in as_json, desk.run("export", "default").stdout, desk.run("export", "default", "--format", "csv").stdout:
        assert "\x7f\u009b31m\u202e\u2066\u200f\u061c\u2028" in data  # a program gets what was stored


def test_what_a_key_sent_is_deleted_in_all_profiles(desk, cluster):
    """The hash of the key's name is made as those of texts are (proto/secret)."""
    key = hashlib.blake2b(b"a key for hashes", digest_size=32).digest()
    digest = hashlib.blake2b(b"team-a", digest_size=16, key=key).hexdigest()
    desk.run("import", "default", desk.file("a.jsonl", [{"text": "of nobody", "label": 0}]))
    desk.run("import", "default", desk.file("b.jsonl", labelled(300)))
    cluster.query(f"update verdicts set key_digest = decode('{digest}', 'hex') where label = 1")
    assert desk.json("samples", "delete", "--key", "team-a") == [{"deleted": 300}]
    assert cluster.query("select count(*) from verdicts where label = 1") == [["0"]]
    assert desk.json("samples", "delete", "--key", "team-a", code=3) == [{"deleted": 0}]
    assert cluster.query("select count(*) from samples") == [["301"]]


def test_a_text_goes_with_the_key_it_was_labelled_for_last(desk, cluster):
    hash_key = hashlib.blake2b(b"a key for hashes", digest_size=32).digest()
    desk.run("import", "default", desk.file("a.jsonl", [{"text": "of nobody", "label": 0}]))
    for name in "team-a", "team-b", None:  # both, then a caller without a key
        digest = hashlib.blake2b(name.encode(), digest_size=16, key=hash_key).hexdigest() if name else None
        key = f"decode('{digest}', 'hex')" if name else "null"
        cluster.query("select sample_put(profile_id, array['\\x00112233445566778899aabbccddeeff'::bytea], array[1::smallint], "
                      "array[2::smallint], array[0::smallint], array[null], array['words'::bytea], array[null::bigint], "
                      f"array[{key}::bytea]) from profiles")
    assert desk.json("samples", "delete", "--key", "team-a", code=3) == [{"deleted": 0}]
    assert desk.json("samples", "delete", "--key", "team-b") == [{"deleted": 1}]
    assert desk.json("samples", "delete", "--key", "team-b", code=3) == [{"deleted": 0}]


def test_a_profile_that_keeps_hashes_keeps_no_text_of_an_import(desk, cluster):
    desk.write("\n    store: hash")
    desk.run("import", "default", desk.file("a.jsonl", labelled(3)))
    assert cluster.query("select count(*) from verdicts") == [["6"]] and cluster.query("select count(*) from samples") == [["0"]]
    assert desk.run("export", "default").stdout == ""
    assert "(no text is stored)" in desk.run("samples", "default").stdout
    desk.write("\n    store: off")
    assert "store: off" in desk.run("import", "default", desk.folder / "a.jsonl", code=1).stderr


def test_a_model_is_trained_from_an_import(desk, cluster):
    desk.run("import", "default", desk.file("a.jsonl", labelled(200)))
    trained = desk.json("train", "default")[0]
    assert trained["status"] == "live" and trained["version"] == 1 and trained["auc"] > 0.99 and trained["rows"] == 400
    assert cluster.query("select version, status from models") == [["1", "live"]]
    assert "version 2 is live" in desk.run("train", "default").stdout
    noise = [{"text": hashlib.sha256(f"{n}".encode()).hexdigest(), "label": n % 2} for n in range(400)]
    cluster.query("delete from samples; delete from verdicts; delete from models")
    desk.run("import", "default", desk.file("b.jsonl", noise))
    refused = desk.json("train", "default", code=3)[0]
    assert refused["status"] == "refused" and refused["reason"] == "min_auc"
    told = desk.run("train", "default", code=3).stdout.splitlines()[0]
    assert re.fullmatch(r"default: version 2 is refused by min_auc: its ROC-AUC of 0\.\d{4} is below 0\.\d+", told), told


def test_versions_are_judged_chosen_and_pinned(desk, cluster):
    desk.run("import", "default", desk.file("a.jsonl", labelled(200)))
    assert desk.json("models", "default") == [] and "no version of it is live yet" in desk.run("evaluate", "default", code=1).stderr
    for _ in range(3):
        desk.run("train", "default")

    def statuses():
        return {row["version"]: (row["status"], row["pinned"]) for row in desk.json("models", "default")}

    assert statuses() == {1: ("retired", False), 2: ("retired", False), 3: ("live", False)}
    assert desk.json("models", "default", "--version", 2)[0]["figures"]["rows"] == 400
    shown = desk.run("models", "default", "--version", 2).stdout.splitlines()
    assert "         pass 200" in shown and any(line.startswith("         latin: rows ") for line in shown), shown
    assert len(desk.run("models", "default").stdout.splitlines()) == 4
    judged = desk.json("evaluate", "default")[0]
    assert judged["version"] == 3 and judged["auc"] > 0.99 and 40 < judged["rows"] < 120
    assert desk.json("evaluate", "default", "--version", 1)[0]["version"] == 1
    assert "  ROC-AUC    1.0000" in desk.run("evaluate", "default").stdout

    assert desk.json("publish", "default", 1)[0]["version"] == 1
    assert statuses() == {1: ("live", False), 2: ("retired", False), 3: ("retired", False)}
    assert desk.json("rollback", "default")[0]["version"] == 3
    assert statuses() == {1: ("refused", False), 2: ("retired", False), 3: ("live", False)}
    assert desk.json("pin", "default", 2)[0] | {"figures": 0} == desk.json("models", "default", "--version", 2)[0] | {"figures": 0}
    assert "pinned" in desk.run("publish", "default", 3, code=1).stderr
    assert ("version 4 passed the gate and is kept as a candidate: the profile is pinned to another version\n"
            in desk.run("train", "default").stdout)
    desk.run("unpin", "default")
    desk.run("unpin", "default", code=3)
    assert desk.json("train", "default")[0]["status"] == "live" and statuses()[5] == ("live", False)
    for words in (["publish", "default", 99], ["pin", "default", 99], ["models", "default", "--version", 99],
                  ["evaluate", "default", "--version", 99]):
        failed = desk.run(*words, code=1)
        assert "no such version" in failed.stderr and failed.stdout == ""
    desk.run("publish", "default", "one", code=2)
    cluster.query("update models set bytes = substr(bytes, 2) where version = 2")
    for word in ("publish", "pin"):
        assert "no moderator of this release can use the version" in desk.run(word, "default", 2, code=1).stderr
    assert statuses()[5] == ("live", False)


@pytest.fixture
def old(desk):
    """A profile's folder of PrismGuard."""
    folder = desk.folder / "old"
    folder.mkdir()
    (folder / "profile.json").write_text(json.dumps({
        "ai": {"model": "one, two", "base_url": "https://llm.example/v1"}, "local_model_type": "hashlinear",
        "hashlinear_training": {"min_samples": 50, "sample_loading": "random_full"}}))
    (folder / "ai_prompt.txt").write_text("Is this a violation? {{text}}")
    history = sqlite3.connect(folder / "history.db")
    history.execute("create table samples (id integer primary key, text text, label integer, category text, created_at text)")
    rows = [("said twice", 0, None), ("a violation", 1, "spam"), ("another", 2, "c" * 65), ("said twice", 1, None), (None, 1, None),
            ("", 0, None), (b"a blob", 0, None), ("no label", None, None), ("fine \u4f60", 0, "ignored")]
    history.executemany("insert into samples (text, label, category, created_at) values (?, ?, ?, '2020-01-01 00:00:00')", rows)
    history.commit()
    history.close()
    return folder


def test_a_profile_of_prismguard_is_taken_over(desk, cluster, old):
    command = [TRAINER, "import-prismguard", "default", old]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert printed.returncode == 0, printed.stderr
    assert "{ kind: hashlinear, low: 0.2, high: 0.8 }" in printed.stdout and 'models: ["one", "two"]' in printed.stdout
    (desk.folder / "profiles/default").mkdir(parents=True)
    (desk.folder / "profiles/default/ai_prompt.txt").write_text("Is it?")
    (desk.folder / "review").write_text("key")
    desk.config.write_text(printed.stdout.replace("/run/secrets/review", f"{desk.folder}/review") + f"""
database:
  url: "{cluster.url}"
  hash_key_file: {desk.folder}/hash
""")
    checked = subprocess.run([TRAINER, "--check", desk.config], capture_output=True, text=True, timeout=TIMEOUT_S)
    assert checked.returncode == 0, checked.stderr
    done = desk.run("import-prismguard", "default", old)
    said = done.stdout
    assert "history.rocks" not in done.stderr
    assert said.startswith(printed.stdout) and said.endswith(
        "# default: 5 rows, 4 stored (4 new, 0 in place of a weaker or an older label), 1 twice or known by the same, a stronger or a "
        "newer label, 4 broken\n")
    (old / "history.rocks").mkdir()
    done = desk.run("import-prismguard", "default", old)
    assert done.stdout == said.replace("4 new, 0 in", "0 new, 4 in") and f"{old}/history.rocks: it is left out" in done.stderr
    assert "no sample of it is taken over" in done.stderr
    assert facts(cluster) == [["a violation", "1", "1", "1"], ["another", "1", "1", "1"], ["fine \u4f60", "0", "1", "1"],
                              ["said twice", "1", "1", "1"]]
    assert cluster.query("select count(*) from verdicts where category = 'spam' and labelled_at > now() - interval '1 hour'") == [["1"]]
    assert desk.json("import-prismguard", "default", old) == [
        {"profile": "default", "yaml": printed.stdout}, told(5, 4, 4, new=0)]
    (old / "history.db").write_bytes(b"no database at all")
    assert "not well formed" in desk.run("import-prismguard", "default", old, code=1).stderr
    (old / "history.db").unlink()
    (old / "profile.json").unlink()
    done = desk.run("import-prismguard", "default", old)
    assert f"{old}: it has no profile.json: these are PrismGuard's defaults" in done.stderr and "kind: bow" in done.stdout
    (old / "profile.json").write_text('{"ai": {"timeout": "soon"}}')
    assert "timeout" in desk.run("import-prismguard", "default", old, code=1).stderr


def test_a_training_without_samples_says_so(desk):
    desk.run("train", "default", code=1)
    desk.run("import", "default", desk.file("a.jsonl", [{"text": "one", "label": 0}]))
    assert "too few samples of a label: it takes 10 of each" in desk.run("train", "default", code=1).stderr
    desk.run("train", "nobody", code=1)
    assert "no version of it is live yet" in desk.run("evaluate", "default", code=1).stderr


def test_who_forgets_what_to_delete_is_told_so(desk, cluster):
    desk.run("import", "default", desk.file("a.jsonl", labelled(1)))
    for words in [], ["0" * 32]:
        told = desk.run("samples", "delete", *words, code=2).stderr
        assert "PROFILE delete HASH" in told and "delete --key NAME" in told
    cluster.query("insert into profiles (name) values ('delete')")
    assert desk.run("samples", "delete").stdout == ""  # a profile may be called so
    desk.run("samples", "delete", "delete", "0" * 32, code=3)


def read_rest(reader):
    """What is still written to a terminal until nobody has it open."""
    told = b""
    while True:
        try:
            part = os.read(reader, 4096)
        except OSError:
            return told
        if not part:
            return told
        told += part


def test_a_training_that_is_interrupted_ends_its_line(desk, cluster):
    desk.run("import", "default", desk.file("a.jsonl", labelled(200)))
    # So that it is under way when the signal comes, however late that is: its version takes long to be written.
    cluster.query("create function dawdle() returns trigger language plpgsql as 'begin perform pg_sleep(50); return new; end'")
    cluster.query("create trigger dawdle before insert on models for each row execute function dawdle()")
    reader, writer = pty.openpty()
    # A shell without job control lets what it starts in the background ignore SIGINT; the trainer leaves that as it is.
    process = subprocess.Popen(desk.command("train", "default"), stdout=subprocess.DEVNULL, stderr=writer, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    os.close(writer)
    try:
        told = os.read(reader, 4096)
        process.send_signal(signal.SIGINT)
        told += read_rest(reader)
        assert process.wait(timeout=TIMEOUT_S) == -signal.SIGINT
    finally:
        # Its session would keep the tables locked until it has slept.
        cluster.query("select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'")
    assert b"train [" in told and told.endswith(b"\x1b[K\r\n")


def test_progress_is_for_terminals_only(desk):
    path = desk.file("a.jsonl", labelled(200))
    assert desk.run("import", "default", path).stderr == ""
    reader, writer = pty.openpty()
    process = subprocess.Popen(desk.command("train", "default"), stdout=subprocess.PIPE, stderr=writer, text=True)
    os.close(writer)
    told = read_rest(reader)
    assert process.wait(timeout=TIMEOUT_S) == 0
    assert b"train [" in told and told.endswith(b"\x1b[K") and "version 1 is live" in process.stdout.read()


def test_only_what_names_texts_needs_the_hash_key(desk, cluster):
    desk.run("import", "default", desk.file("a.jsonl", [{"text": "one", "label": 1}]))
    (desk.folder / "hash").unlink()
    found, = desk.json("samples", "default")
    assert found["text"] == "one\n"
    desk.run("samples", "default", "show", found["hash"])
    desk.run("samples", "default", "relabel", found["hash"], "pass")
    assert "hash_key_file cannot be read" in desk.run("samples", "delete", "--key", "team-a", code=1).stderr
    assert desk.json("samples", "default", "delete", found["hash"]) == [{"deleted": 1}]


def test_a_schema_that_is_newer_is_left_alone(desk, cluster):
    desk.run("import", "default", desk.file("a.jsonl", labelled(1)))
    cluster.query("update schema_version set version = version + 1")
    assert "newer than this program" in desk.run("export", "default", code=1).stderr
