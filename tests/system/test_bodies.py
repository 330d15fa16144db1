"""Bodies of requests: every vector of JSON and of compression gets its verdict, and what was judged is what is sent."""
import csv
import gzip
import json
import os
import pathlib

import pytest

from stack import RELEASE, Stack, read_answer, request_bytes
from upstream import wait_until

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors"
MIB = 1024 * 1024

# Where we refuse what the suite accepts, on purpose: U+0000, a number of more than 64 bytes, a key twice.
STRICTER = {"JSONTestSuite/y_string_null_escape.json", "JSONTestSuite/y_number_double_close_to_zero.json",
            "JSONTestSuite/y_object_duplicated_key.json", "JSONTestSuite/y_object_duplicated_key_and_value.json"}


def manifest(folder):
    with open(VECTORS / folder / "manifest.tsv", newline="") as rows:
        return [(row, (VECTORS / folder / row["file"]).read_bytes()) for row in csv.DictReader(rows, delimiter="\t")]


def in_a_chat(document):
    """The document as the value of a member that the chat API does not know."""
    return b'{"model":"answer","messages":[{"role":"user","content":"hello"}],"x":' + document + b"}"


def judge(stack, upstream, body, coding=None):
    """Status, the error's code if any, and what the upstream was sent; nothing reaches it from a refused request."""
    upstream.forget()
    status, _, answer = stack.post(body, fields=[("Content-Encoding", coding)] if coding else ())
    sent = [exchange.body for exchange in upstream.exchanges]
    assert (status == 200) == (len(sent) == 1), (status, answer[:200], len(sent))
    error = {} if status == 200 else json.loads(answer)["error"]
    return status, error.get("code"), sent[0] if sent else None


def test_every_json_vector_gets_its_verdict(stack, upstream):
    wrong = []
    rows = manifest("json")
    for row, body in rows:
        name, verdict = row["file"], row["verdict"]
        if verdict == "accept" or (verdict == "either" and not name.startswith("pg/")):
            body = in_a_chat(body)
        status, code, sent = judge(stack, upstream, body)
        right = {"accept": status == (400 if name in STRICTER else 200), "reject": status == 400,
                 "block": (status, code) == (400, "content_filter"), "scan": (status, code) == (400, "content_filter"),
                 "either": status in (200, 400, 413)}[verdict]
        if not right or (status == 200 and sent != body):
            wrong.append((name, verdict, status, code))
    assert len(rows) == 214 and wrong == []


def test_every_compression_vector_gets_its_verdict(stack, upstream):
    wrong = []
    rows = manifest("compression")
    for row, body in rows:
        status, code, sent = judge(stack, upstream, body, row["content_encoding"])
        decoded = int(row["decoded_bytes"])
        right = {"accept": status == 200 and sent == b'{"model":"m","messages":[{"role":"user","content":"hello"}]}',
                 "reject": status == (413 if decoded > 16 * MIB else 400) and code != "content_filter",
                 "block": (status, code) == (400, "content_filter"),
                 "either": status in (400, 413)}[row["verdict"]]
        if not right:
            wrong.append((row["file"], row["verdict"], status, code))
    assert len(rows) >= 51 and wrong == []


def test_the_decoded_bytes_are_sent_with_fields_of_their_own(stack, upstream):
    body = b'{ "model" : "answer","messages":[{"role":"user","content":"h\\u00e9llo"}], "n": 1.0 }'
    status, _, _ = stack.post(gzip.compress(body), fields=[("Content-Encoding", "gzip"), ("X-Mine", "1")])
    sent = upstream.wait_for(1)[0]
    assert (status, sent.body) == (200, body)
    assert sent.field("content-length") == [str(len(body))] and sent.field("x-mine") == ["1"]
    assert sent.field("content-encoding") == [] and sent.field("transfer-encoding") == []


def test_chunks_and_cuts_do_not_change_what_is_decoded(stack, upstream):
    body = b'{"model":"answer","messages":[{"role":"user","content":"hello"}]}'
    coded = gzip.compress(body[:20]) + gzip.compress(body[20:])
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in coded) + b"0\r\n\r\n"
    with stack.connect() as connection:
        connection.sendall(b"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
                           b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunks)
        status, _, _ = read_answer(connection)
    assert (status, upstream.wait_for(1)[0].body) == (200, body)


def test_other_codings_are_a_415_that_says_which_there_are(stack, upstream):
    for coding in ("zstd", "gzip, br", "compress"):
        status, fields, answer = stack.post(b"{}", fields=[("Content-Encoding", coding)])
        assert (status, fields["accept-encoding"]) == (415, "gzip, deflate, br")
        assert json.loads(answer)["error"]["type"] == "invalid_request_error"
    assert upstream.exchanges == []


def test_bombs_leave_memory_flat(upstream, tmp_path, monkeypatch):
    """20 bodies that stand for 64 MiB each; one costs its bound of 16 MiB, a copy while it grows, and a decoder."""
    # AddressSanitizer keeps freed memory aside, which is no memory of the gateway's.
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1")
    stack = Stack(tmp_path, upstream, review=False, programs=RELEASE)
    try:
        assert stack.chat("warm up")[0] == 200
        before = stack.gateway.memory_kib()
        for name, coding in [("json-64m.gz", "gzip"), ("json-64m.zz", "deflate"), ("json-64m.br", "br"),
                             ("json-64m-window-16m.br", "br")] * 5:
            body = (VECTORS / "compression" / name).read_bytes()
            assert stack.post(body, fields=[("Content-Encoding", coding)])[0] == 413
        grown = stack.gateway.memory_kib("VmHWM") - before
        assert grown < 60 * 1024, "KiB more than before the bombs"
        assert stack.gateway.metric("prismguard_gateway_http_rejected_total", rule="decoded_size") == 20
        assert stack.gateway.metric("prismguard_gateway_body_bytes") == 0
        assert stack.gateway.metric("prismguard_gateway_decoders") == 0
        assert stack.chat("still there")[0] == 200
    finally:
        stack.close()


def test_an_answer_in_a_coding_that_nobody_asked_for_is_passed_on_as_it_came(stack, upstream):
    status, fields, body = stack.chat("hello", model="zipped")
    assert (status, fields["content-encoding"]) == (200, "gzip")
    assert fields["content-length"] == str(len(body))
    assert json.loads(gzip.decompress(body))["choices"][0]["message"]["content"] == "z" * 5000
    assert upstream.wait_for(1)[0].field("accept-encoding") == ["identity"]


@pytest.mark.parametrize("coding, name", [("gzip", "ok.json.gz"), ("deflate", "ok.json.zz"), ("br", "ok.json.br")])
def test_what_was_decoded_is_counted(stack, coding, name):
    body = (VECTORS / "compression" / name).read_bytes()
    names = ("bodies_decoded_total", "coded_bytes_total", "decoded_bytes_total")
    before = [stack.gateway.metric("prismguard_gateway_" + metric, coding=coding) for metric in names]
    assert stack.post(body, fields=[("Content-Encoding", coding)])[0] == 200
    after = [stack.gateway.metric("prismguard_gateway_" + metric, coding=coding) for metric in names]
    assert [b - a for a, b in zip(before, after)] == [1, len(body), 60]


@pytest.fixture(scope="module")
def small(upstream, tmp_path_factory):
    """One decoder, small answers, and the moderation endpoint."""
    stack = Stack(tmp_path_factory.mktemp("small"), upstream, review=False,
                  limits="\n    decoders: 1\n    response_bytes: 1KiB",
                  route="\n  - path: /v1/moderations\n    serve: moderations\n    moderation: default")
    yield stack
    stack.close()


def test_an_answer_in_a_coding_is_bounded_by_its_bytes_as_they_come(small):
    status, _, body = small.chat("hello", model="zipped")
    assert status == 200 and len(body) < 1024 < len(gzip.decompress(body))
    assert small.chat("hello", model="large")[0] == 502


def test_the_inputs_of_the_moderation_endpoint_may_be_compressed(small):
    status, _, answer = small.post(gzip.compress(b'{"input":"say forbidden-keyword"}'), path="/v1/moderations",
                                   fields=[("Content-Encoding", "gzip")])
    assert status == 200 and b'"flagged":true' in answer


def wait_for_decoders(stack, count):
    wait_until(lambda: stack.gateway.metric("prismguard_gateway_decoders") == count, what=f"{count} decoders in use")


def test_who_finds_no_decoder_waits_and_is_served(small):
    body = gzip.compress(b'{"model":"answer","messages":[{"role":"user","content":"hello"}]}')
    request = request_bytes(body, fields=[("Content-Encoding", "gzip")], close=True)
    with small.connect() as holds, small.connect() as waits:
        holds.sendall(request[:-5])
        wait_for_decoders(small, 1)
        waits.sendall(request)
        wait_until(lambda: small.gateway.metric("prismguard_gateway_in_flight") == 2, what="the second one waits")
        holds.sendall(request[-5:])
        assert read_answer(holds)[0] == 200
        assert read_answer(waits)[0] == 200
    wait_for_decoders(small, 0)
