#!/usr/bin/env python3
"""A scripted LLM on loopback: answers chats, streams them, and reviews texts whose labels it knows.

Standard library only. It stands in for the LLM APIs in the demonstration: PrismGuard itself cannot tell it from a real one.

  POST .../chat/completions   model "reviewer": the strict verdict on the texts in the last message
                              any other model: an answer, or a stream of it when "stream" is true
  GET  .../models             a list
"""
import argparse
import gzip
import hashlib
import http.server
import json
import pathlib
import sys
import threading
import time

BODY_BYTES_MAX = 16 * 1024 * 1024
WORDS = "This answer comes from the scripted model; it passed through PrismGuard one event at a time.".split()


def text_key(text):
    return hashlib.sha256(" ".join(text.split()).encode("utf-8", "replace")).digest()


def load_labels(files):
    labels = {}
    for file in files:
        opener = gzip.open if file.suffix == ".gz" else open
        with opener(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                labels[text_key(row["text"])] = row["label"]
    return labels


class Reviewer:
    """Knows the labels of the data set; says pass for a text that it never saw."""

    def __init__(self, labels):
        self.labels = labels
        self.lock = threading.Lock()
        self.reviewed = 0

    def review(self, texts):
        with self.lock:
            self.reviewed += 1
        violation = any(self.labels.get(text_key(text), 0) == 1 for text in texts)
        return {"violation": violation, "category": "abuse" if violation else "", "reason": "label of the data set"}


def texts_under_review(messages):
    """The reviewed texts are a JSON array inside the last user message."""
    content = next(m["content"] for m in reversed(messages) if m["role"] == "user")
    start, end = content.index("["), content.rindex("]") + 1
    return [t if isinstance(t, str) else t["text"] for t in json.loads(content[start:end])]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "scripted-llm"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, message):
        self.answer(status, {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}})

    def do_GET(self):
        if self.path.rstrip("/").endswith("/models"):
            self.answer(200, {"object": "list", "data": [{"id": "demo", "object": "model", "created": 1, "owned_by": "demo"}]})
        else:
            self.refuse(404, "not found")

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_BYTES_MAX:
            self.close_connection = True
            return self.refuse(413, "too large")
        raw = self.rfile.read(length)
        if not self.path.split("?")[0].endswith("/chat/completions"):
            return self.refuse(404, "not found")
        try:
            request = json.loads(raw)
            if request["model"] == "reviewer":
                verdict = self.server.reviewer.review(texts_under_review(request["messages"]))
                return self.complete(request, json.dumps(verdict))
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            return self.refuse(400, f"bad request: {type(error).__name__}")
        if request.get("stream"):
            return self.stream(request)
        return self.complete(request, " ".join(WORDS))

    def complete(self, request, content):
        self.answer(200, {
            "id": "chatcmpl-demo", "object": "chat.completion", "created": int(time.time()), "model": request["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None,
                         "message": {"role": "assistant", "content": content, "refusal": None}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": len(content.split()), "total_tokens": 1 + len(content.split())}})

    def event(self, data):
        part = f"data: {data}\n\n".encode()
        self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.flush()

    def stream(self, request):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        head = {"id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": int(time.time()), "model": request["model"]}
        deltas = [{"role": "assistant", "content": ""}] + [{"content": word + " "} for word in WORDS]
        for delta in deltas:
            self.event(json.dumps({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}))
            time.sleep(self.server.pause_s)
        self.event(json.dumps({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
        self.event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, BrokenPipeError)):
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", default="127.0.0.1:8900", help="address and port (default %(default)s)")
    parser.add_argument("--labels", nargs="*", type=pathlib.Path, default=[], help="JSON lines of {text, label}, may be .gz")
    parser.add_argument("--pause", type=float, default=0.12, help="seconds between the events of a stream (default %(default)s)")
    options = parser.parse_args()
    host, port = options.listen.rsplit(":", 1)
    server = Server((host, int(port)), Handler)
    server.reviewer = Reviewer(load_labels(options.labels))
    server.pause_s = options.pause
    print(f"scripted LLM on http://{host}:{server.server_address[1]}, {len(server.reviewer.labels)} labels known", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
