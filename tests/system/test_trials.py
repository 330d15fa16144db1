"""How good a version is, told by texts that were drawn at random; and a new one that is tried on a part of the decisions first."""
import concurrent.futures
import json
import subprocess

import pytest

from stack import SANITIZED, Stack
from upstream import wait_until

CRIME, GARDEN, SPAM = "an awful crime with a knife", "a pleasant day in the garden", "cheap watches, buy them now"
MIXED = "a pleasant day with a knife"


class Desk:
    """A stack whose models are trained by hand, and a scripted reviewer who knows the labels."""

    def __init__(self, folder, upstream, cluster, rate, canary, moderators=1):
        cluster.empty()
        self.cluster, self.upstream, self.folder = cluster, upstream, folder
        upstream.labels = {}
        self.stack = Stack(folder, upstream, cluster, review=False, moderators=moderators, limits="\n  debug_headers: true", profile=f"""
    model: {{ kind: hashlinear, low: 0.2, high: 0.8 }}
    review:
      url: {upstream.url}/v1/chat/completions
      models: [reviewer]
      sample_rate: {rate}
      concurrency: 16
    training: {{ min_samples: 50000, canary: {canary}, canary_labels: 60 }}""")
        wait_until(lambda: self.stack.trainer.metric("prismguard_trainer_leader") == 1, what="a leader")

    def trainer(self, *words):
        done = subprocess.run([SANITIZED / "prismguard-trainer", *map(str, words), "--config", self.stack.config], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-4000:])
        return done.stdout

    def models(self):
        return {row["version"]: row for row in map(json.loads, self.trainer("models", "default", "--json").splitlines())}

    def statuses(self):
        return {version: row["status"] for version, row in self.models().items()}

    def train(self, *kinds, count=200):
        """From this many texts of each kind (words, label). Waits until the moderators have the version."""
        path = self.folder / "import.jsonl"
        path.write_text("".join(json.dumps({"text": f"{words} {number}", "label": label}) + "\n"
                                for number in range(count) for words, label in kinds))
        self.trainer("import", "default", path)
        found = json.loads(self.trainer("train", "default", "--json"))
        assert found["status"] in ("live", "trial"), found
        name = "prismguard_moderator_model_version" if found["status"] == "live" else "prismguard_moderator_trial_version"
        for moderator in self.stack.moderators:
            wait_until(lambda: moderator.metric(name, profile="default") == found["version"], what="the new version")
        return found["version"]

    def ask(self, texts):
        """The local model's score of each text, and the version that judged it. `texts`: (text, label)."""
        self.upstream.labels.update(dict(texts))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            found = [fields for _, fields, _ in pool.map(lambda pair: self.stack.chat(pair[0]), texts)]
        return [(float(fields["x-prismguard-score"]), int(fields["x-prismguard-model-version"])) for fields in found]

    def labels(self, where="true"):
        return int(self.cluster.query(f"select count(*) from verdicts where {where}")[0][0])


@pytest.fixture
def desk(cluster, upstream, tmp_path):
    made = []

    def make(**options):
        made.append(Desk(tmp_path, upstream, cluster, **options))
        return made[0]

    yield make
    for desk in made:
        desk.stack.close()


def texts_of(words, count, label, begin=10000):
    return [(f"{words} {number}", label) for number in range(begin, begin + count)]


def rates(rows):
    """Precision and recall, of (says, label)."""
    rows = list(rows)
    hits = sum(says and label for says, label in rows)
    return hits / sum(bool(says) for says, _ in rows), hits / sum(label for _, label in rows)


def test_what_was_drawn_tells_the_truth_where_all_labels_do_not(desk):
    """The reviewer sees all that the model is unsure of and a quarter of the rest: what it labels is no sample of what there is."""
    desk = desk(rate=0.25, canary=0)
    version = desk.train((GARDEN, 0), (CRIME, 1))
    asked = texts_of(GARDEN, 200, 0) + texts_of(f"{GARDEN} behind the house", 80, 1) + texts_of(CRIME, 220, 1) \
        + texts_of(f"{CRIME} in a novel", 80, 0) + texts_of(MIXED, 200, 1)
    scores = desk.ask(asked)
    wait_until(lambda: desk.labels("source = 2 and drawn = 0") >= 200 and not any(
        moderator.metric("prismguard_moderator_samples_queued") for moderator in desk.stack.moderators), what="all labels")
    says = {text: score >= 0.5 for (text, _), (score, _) in zip(asked, scores)}
    truth = rates((says[text], label) for text, label in asked)
    rows = desk.cluster.query("select btrim(convert_from(s.text, 'UTF8'), E' \\n'), v.label, v.drawn_share is not null "
                              "from verdicts v join samples s using (profile_id, label, text_hash) where v.source = 2")
    naive = rates((says[text], int(label)) for text, label, _ in rows)
    drawn = sum(row[2] == "t" for row in rows)
    assert len(asked) * 0.15 < drawn < len(asked) * 0.35 < len(rows)
    wait_until(lambda: (desk.models()[version]["trial"] or {}).get("labels") == drawn, what="its figures")
    trial = desk.models()[version]["trial"]
    told = (trial["precision"], trial["recall"])
    print(f"truth {truth}, all labels {naive}, the drawn {told}")
    for name, true, rate in zip(("precision", "recall"), truth, told):
        # Twice its interval to each side, four standard deviations: which texts are drawn differs by the hour.
        assert abs(rate["value"] - true) < rate["high"] - rate["low"] < 0.3, (name, true, rate)
    assert truth[1] - naive[1] > 0.15, "all labels would have done"
    assert f"{trial['recall']['value']:.6f}"[:4] in desk.trainer("models", "default")
    assert abs(desk.stack.trainer.metric("prismguard_trainer_recall", profile="default", status="live", bound="value") -
               trial["recall"]["value"]) < 1e-6


def test_a_new_version_decides_its_part_and_is_promoted_when_it_holds(desk):
    desk = desk(rate=1, canary=0.3, moderators=2)
    assert desk.train((GARDEN, 0), (CRIME, 1)) == 1
    assert desk.train((GARDEN, 0), (CRIME, 1), (SPAM, 1)) == 2, "the second one is tried first"
    assert desk.statuses() == {1: "live", 2: "canary"}
    few = texts_of(GARDEN, 15, 0) + texts_of(CRIME, 15, 1)
    first = desk.ask(few)
    assert {version for _, version in first} == {1, 2}
    wait_until(lambda: (desk.models()[2]["trial"] or {}).get("labels") == 30, what="labels of the trial")
    assert "on trial: 30 of 60 labels" in desk.trainer("models", "default")
    assert desk.labels("model_version = 2 and drawn_at is not null") == sum(version == 2 for _, version in first)
    # Whoever judges it, and however often: the same texts. They are known by now, but for their scores.
    for _ in range(2):
        assert [version for _, version in desk.ask(few)] == [version for _, version in first]
    # A moderator and a leader that come in the middle of it.
    moderator = desk.stack.start_moderator()
    wait_until(lambda: moderator.metric("prismguard_moderator_trial_version", profile="default") == 2, what="the version on trial")
    desk.stack.moderators.append(moderator)
    desk.stack.trainer.kill()
    desk.stack.trainer = desk.stack.start_trainer()
    wait_until(lambda: desk.stack.trainer.metric("prismguard_trainer_leader") == 1, what="another leader")
    assert desk.statuses() == {1: "live", 2: "canary"}
    desk.ask(texts_of(GARDEN, 45, 0, 20000) + texts_of(CRIME, 15, 1, 20000))
    wait_until(lambda: desk.statuses() == {1: "retired", 2: "live"}, what="a promotion")
    assert desk.stack.trainer.wait_event("trial_done")["status"] == "promoted"
    wait_until(lambda: desk.stack.trainer.metric("prismguard_trainer_model_version", profile="default") == 2, what="what is live, told")
    for moderator in desk.stack.moderators:
        wait_until(lambda: moderator.metric("prismguard_moderator_model_version", profile="default") == 2, what="the version")
        wait_until(lambda: moderator.metric("prismguard_moderator_trial_version", profile="default") == 0, what="the end of its trial")
    assert {version for _, version in desk.ask(texts_of(GARDEN, 20, 0, 30000))} == {2}


def test_a_rollback_in_a_trial_ends_the_trial_and_leaves_what_is_live(desk):
    desk = desk(rate=1, canary=0.3)
    desk.train((GARDEN, 0), (CRIME, 1))
    desk.train((GARDEN, 0), (CRIME, 1), (SPAM, 1))
    moderator, trainer = desk.stack.moderators[0], desk.stack.trainer
    wait_until(lambda: trainer.metric("prismguard_trainer_trial_version", profile="default") == 2, what="a look of the leader")
    gone = json.loads(desk.trainer("rollback", "default", "--json"))
    assert (gone["version"], gone["status"], gone["rolled_back"], gone["was_on_trial"]) == (1, "live", 2, True)
    assert desk.statuses() == {1: "live", 2: "refused"} and desk.models()[2]["reason"] == "rolled_back"
    wait_until(lambda: moderator.metric("prismguard_moderator_trial_version", profile="default") == 0, what="the end of its trial")
    assert {version for _, version in desk.ask(texts_of(GARDEN, 20, 0))} == {1}
    told = trainer.wait_event("trial_done")
    assert (told["profile"], told["version"], told["status"]) == ("default", 2, "rolled_back")
    assert trainer.metric("prismguard_trainer_trials_total", profile="default", result="rolled_back") == 1
    assert trainer.metric("prismguard_trainer_trial_version", profile="default") == 0
    assert trainer.metric("prismguard_trainer_model_version", profile="default") == 1
    assert desk.train((GARDEN, 0), (CRIME, 1), (SPAM, 1)) == 3
    wait_until(lambda: trainer.metric("prismguard_trainer_trial_version", profile="default") == 3, what="a look of the leader")
    desk.trainer("publish", "default", 3)
    wait_until(lambda: trainer.metric("prismguard_trainer_trials_total", profile="default", result="published") == 1, what="its end")
    assert trainer.metric("prismguard_trainer_model_version", profile="default") == 3
    assert desk.train((GARDEN, 0), (CRIME, 1), (SPAM, 1)) == 4
    assert "the trial of version 4 is over; what is live stays\n      3  live" in desk.trainer("rollback", "default")
    assert desk.statuses() == {1: "retired", 2: "refused", 3: "live", 4: "refused"}
    gone = json.loads(desk.trainer("rollback", "default", "--json"))
    assert (gone["version"], gone["rolled_back"], gone["was_on_trial"]) == (1, 3, False), "without a trial the live one goes"


def test_a_version_that_lets_violations_pass_is_refused_and_nothing_else_changes(desk):
    desk = desk(rate=1, canary=0.3)
    desk.train((GARDEN, 0), (CRIME, 1))
    desk.train((GARDEN, 0), (CRIME, 1), (SPAM, 1))
    desk.trainer("publish", "default", 2)
    assert desk.statuses() == {1: "retired", 2: "live"}, "a person needs no trial"
    # The old one again, as if it had just been trained: it does not know the new kind.
    desk.cluster.query("update models set status = 'canary', made_at = now(), change = nextval('model_change') where version = 1")
    moderator = desk.stack.moderators[0]
    wait_until(lambda: moderator.metric("prismguard_moderator_trial_version", profile="default") == 1, what="the version on trial")
    desk.ask(texts_of(GARDEN, 40, 0) + texts_of(SPAM, 80, 1))
    wait_until(lambda: desk.statuses() == {1: "refused", 2: "live"}, what="a refusal")
    assert desk.models()[1]["reason"] == "trial_recall"
    assert desk.models()[1]["trial"]["live_recall"]["low"] > desk.models()[1]["trial"]["recall"]["high"]
    wait_until(lambda: moderator.metric("prismguard_moderator_trial_version", profile="default") == 0, what="the end of its trial")
    assert moderator.metric("prismguard_moderator_model_version", profile="default") == 2
