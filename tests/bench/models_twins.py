"""The kinds of models as others make them: trains one on a set, judges the other part, prints its figures as one JSON object.

usage: models_twins.py hashlinear|bow|fasttext FOLDER [inside]        see tests/bench/models

hashlinear   HashingVectorizer, characters 2 to 4, and SGDClassifier of three epochs: the predecessor's settings
bow          jieba's words, characters 2 and 3, the 8,000 most frequent terms by TF-IDF, and SGDClassifier: the predecessor's too
fasttext     the command of Debian's package
"""
import gzip
import json
import pathlib
import pickle
import resource
import statistics
import subprocess
import sys
import tempfile
import time

FIFTH, BINS, TIMED = 5, 10, 300
FASTTEXT = ["-lr", "0.5", "-epoch", "25", "-dim", "16", "-wordNgrams", "2", "-minn", "2", "-maxn", "4", "-thread", "1",
            "-verbose", "0"]


def read(path):
    with gzip.open(path, "rt") as file:
        return [(row["text"], row["label"]) for row in map(json.loads, file)]


def parts(folder, inside):
    train = read(folder / "train.jsonl.gz")
    if not inside:
        return train, read(folder / "test.jsonl.gz")
    return ([row for number, row in enumerate(train) if number % FIFTH], train[::FIFTH])


def quality(probabilities, labels):
    from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
    error = 0
    for at in range(BINS):
        held = [(p, label) for p, label in zip(probabilities, labels) if min(int(p * BINS), BINS - 1) == at]
        error += abs(sum(p - label for p, label in held)) / len(labels)
    return {"auc": roc_auc_score(labels, probabilities), "pr_auc": average_precision_score(labels, probabilities),
            "f1": f1_score(labels, [p >= 0.5 for p in probabilities]), "ece": error}


def cpu_s(who=resource.RUSAGE_SELF):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def words_and_characters(text):
    import jieba
    return jieba.lcut(text) + [text[at:at + count] for count in (2, 3) for at in range(len(text) - count + 1)]


def pipeline(kind):
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline
    if kind == "hashlinear":
        return make_pipeline(HashingVectorizer(analyzer="char", ngram_range=(2, 4), n_features=2 ** 20, alternate_sign=False),
                             SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=3, tol=None, random_state=42))
    return make_pipeline(TfidfVectorizer(analyzer=words_and_characters, min_df=2, max_df=0.8, max_features=8000),
                         SGDClassifier(loss="log_loss", class_weight="balanced", max_iter=1000, random_state=42))


def with_scikit(kind, train, test):
    if kind == "bow":
        import jieba
        jieba.setLogLevel(60)
        jieba.initialize()
    begun = cpu_s()
    model = pipeline(kind).fit([text for text, _ in train], [label for _, label in train])
    figures = {"name": "scikit-learn" + (" and jieba" if kind == "bow" else ""), "train_s": cpu_s() - begun,
               "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
               "file_mib": len(pickle.dumps(model)) / 2 ** 20}
    times = []
    for text, _ in test[:TIMED]:
        begun = time.perf_counter()
        model.predict_proba([text])
        times.append(time.perf_counter() - begun)
    figures["text_us"] = statistics.median(times) * 1e6
    probabilities = model.predict_proba([text for text, _ in test])[:, 1]
    return {**figures, **quality(probabilities, [label for _, label in test])}


def one_line(text):
    return " ".join(text.split())


def predict(model, texts):
    command = ["fasttext", "predict-prob", model, "-", "2"]
    done = subprocess.run(command, input="\n".join(texts) + "\n", capture_output=True, text=True, check=True)
    probabilities = []
    for line in done.stdout.splitlines():
        words = line.split()
        said = dict(zip(words[::2], map(float, words[1::2])))
        probabilities.append(min(1.0, said.get("__label__1", 0.0)))
    return probabilities


def with_fasttext(train, test):
    with tempfile.TemporaryDirectory() as name:
        rows, model = pathlib.Path(name) / "rows", pathlib.Path(name) / "model"
        rows.write_text("".join(f"__label__{label} {one_line(text)}\n" for text, label in train))
        subprocess.run(["fasttext", "supervised", "-input", rows, "-output", model, *FASTTEXT], check=True, capture_output=True)
        figures = {"name": "Debian's fasttext", "train_s": cpu_s(resource.RUSAGE_CHILDREN),
                   "peak_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
                   "file_mib": model.with_suffix(".bin").stat().st_size / 2 ** 20}
        texts = [one_line(text) or "." for text, _ in test]
        # The model is loaded by each call: what more texts cost more than one, a text.
        begun = time.perf_counter()
        predict(model.with_suffix(".bin"), texts[:1])
        once = time.perf_counter() - begun
        begun = time.perf_counter()
        probabilities = predict(model.with_suffix(".bin"), texts)
        figures["text_us"] = max(0.0, time.perf_counter() - begun - once) / len(texts) * 1e6
    assert len(probabilities) == len(test)
    return {**figures, **quality(probabilities, [label for _, label in test])}


def main():
    kind, folder, inside = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:] == ["inside"]
    train, test = parts(folder, inside)
    print(json.dumps(with_fasttext(train, test) if kind == "fasttext" else with_scikit(kind, train, test)))


if __name__ == "__main__":
    main()
