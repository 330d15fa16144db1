"""A scripted LLM API on loopback that records what reaches it byte for byte and misbehaves on demand.

A request chooses its script by the model it names: "answer", "stream", "endless", "dies", "flood", "silent", "reviewer", ...

Models whose name begins with "reviewer" judge: what reaches them is in `reviews`, not among the exchanges.
Every event a test waits for (a request came, a connection was closed by the gateway) is a condition, not a sleep.
"""
import contextlib
import gzip
import json
import re
import socket
import struct
import threading
import time

import dialects

PATIENCE_S = 30


class Exchange:
    """One request as it arrived, and what became of its connection."""

    def __init__(self, head, body):
        self.head, self.body = head, body
        self.closed_by_peer = threading.Event()
        self.connection = None
        self.sent_bytes = 0

    @property
    def fields(self):
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return [tuple(part.strip() for part in line.split(":", 1)) for line in lines if ":" in line]

    @property
    def path(self):
        return self.head.split(b" ", 2)[1].decode("latin-1")

    @property
    def is_closed(self):
        """Whether the gateway has ended its side, asked of the kernel: this very moment, whatever the script is at."""
        try:
            return self.closed_by_peer.is_set() or self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def field(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]


class Upstream:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.changed = threading.Condition()
        self.exchanges = []
        self.reviews = []  # the texts of each request to a reviewer, stripped
        self.connections = 0
        self.ended = 0  # of them
        self.labels = {}
        self.gate = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def close(self):
        self.listener.close()

    def wait_for(self, count):
        """The exchanges, once there are at least `count`."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.exchanges) >= count, PATIENCE_S), f"{len(self.exchanges)} requests"
            return list(self.exchanges)

    def wait_read(self, gateway):
        """Until all that the only gateway has ever sent is among the exchanges, also what it has given up since."""
        def is_read():
            kept = gateway.metric("prismguard_gateway_upstream_connections")
            begun = gateway.metric("prismguard_gateway_upstream_connects_total")
            return self.connections == begun and self.connections - self.ended == kept
        wait_until(is_read, what="an upstream that has read all requests")

    def forget(self):
        with self.changed:
            self.exchanges.clear()
            self.reviews.clear()
        self.gate.clear()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self._answer_all(connection)
        finally:
            with self.changed:
                self.ended += 1

    def _answer_all(self, connection):
        with connection, contextlib.suppress(ConnectionError, OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
                head, data = data.split(b"\r\n\r\n", 1)
                exchange = Exchange(head, b"")
                length = int((exchange.field("content-length") or ["0"])[0])
                while len(data) < length:
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
                exchange.body, data = data[:length], data[length:]
                exchange.connection = connection
                try:
                    request = json.loads(exchange.body)
                except ValueError:
                    request = {}
                model = dialects.model_of(exchange.path) or (request.get("model") if isinstance(request, dict) else None)
                with self.changed:
                    if not str(model).startswith("reviewer"):
                        self.exchanges.append(exchange)
                    else:
                        self.reviews.append([text.strip() for text in self._texts_under_review(request)])
                    self.changed.notify_all()
                script = getattr(self, "_script_" + str(model).replace("-", "_"), self._script_answer)
                if script(connection, exchange, request) == "close":
                    return

    # --- scripts ---------------------------------------------------------------------------------------------------------

    @staticmethod
    def _send_json(connection, value, status="200 OK"):
        body = json.dumps(value).encode()
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                           f"x-request-id: req-upstream\r\nSet-Cookie: session=1\r\n\r\n".encode() + body)

    @staticmethod
    def completion(content, model="answer"):
        return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model,
                "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None,
                             "message": {"role": "assistant", "content": content, "refusal": None}}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}

    def _script_answer(self, connection, exchange, request):
        dialect = dialects.dialect_of(exchange.path)
        if dialect and dialects.is_stream(exchange.path, request):
            return self._stream_in(dialect, connection, exchange)
        if dialect:
            return self._send_json(connection, dialects.answer(dialect))
        if isinstance(request, dict) and request.get("stream"):
            return self._script_stream(connection, exchange, request)
        self._send_json(connection, self.completion("hello from upstream"))

    def _script_logprobs(self, connection, exchange, request):
        """An answer of max_tokens tokens, each with what else it might have been."""
        completion = self.completion("a plain answer")
        others = [{"token": " b", "logprob": -9.5, "bytes": [32, 98]}] * request["top_logprobs"]
        completion["choices"][0]["logprobs"] = {"refusal": None, "content": [
            {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": others}] * request["max_tokens"]}
        self._send_json(connection, completion)

    def _script_values(self, connection, exchange, request):
        """An answer of max_tokens values of JSON, and some, beside its text."""
        completion = self.completion("a plain answer")
        completion["usage"]["other"] = [0] * request["max_tokens"]
        self._send_json(connection, completion)

    def _script_reviewer(self, connection, exchange, request):
        self._send_json(connection, self.completion(self._verdict(request), "reviewer"))

    @staticmethod
    def _texts_under_review(request):
        content = request["messages"][-1]["content"]
        return json.loads(content[content.index("["):content.rindex("]") + 1])

    def _verdict(self, request):
        violation = any(self.labels.get(text.strip(), 0) for text in self._texts_under_review(request))
        return json.dumps({"violation": violation, "category": "abuse" if violation else "", "reason": "scripted"})

    def _script_reviewer_streamed(self, connection, exchange, request):
        verdict = self._verdict(request)
        self._stream_head(connection)
        for part in ({"role": "assistant", "content": ""}, {"content": verdict[:9]}, {"content": verdict[9:]}, {}):
            self._chunk(connection, exchange, self.event(part))
        self._chunk(connection, exchange, b"data: [DONE]\n\n")
        connection.sendall(b"0\r\n\r\n")

    def _script_reviewer_broken(self, connection, exchange, request):
        """Fails until the test opens the gate."""
        if self.gate.is_set():
            return self._script_reviewer(connection, exchange, request)
        self._send_json(connection, {"error": {"message": "overloaded"}}, "503 Service Unavailable")

    def _script_reviewer_gated(self, connection, exchange, request):
        self.gate.wait(PATIENCE_S)
        self._script_reviewer(connection, exchange, request)

    def _script_reviewer_quoting(self, connection, exchange, request):
        """Says no more than what it was shown."""
        self._send_json(connection, self.completion("\n".join(self._texts_under_review(request)), "reviewer"))

    def _script_reviewer_obedient(self, connection, exchange, request):
        """Does what it is told by anybody, wherever it is told so but in the delimited field."""
        verdict = obeyed([message["content"] for message in request["messages"]], len(request["messages"]) - 1)
        self._send_json(connection, self.completion(verdict or self._verdict(request), "reviewer"))

    def _script_large(self, connection, exchange, request):
        self._send_json(connection, self.completion("y" * 5000))

    def _script_zipped(self, connection, exchange, request):
        """Compressed, whatever was asked for."""
        body = gzip.compress(json.dumps(self.completion("z" * 5000)).encode(), mtime=0)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def _script_refused(self, connection, exchange, request):
        self._send_json(connection, {"error": {"message": "slow down", "type": "requests", "param": None,
                                               "code": "rate_limit_exceeded"}}, "429 Too Many Requests")

    def _script_moved(self, connection, exchange, request):
        connection.sendall(f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {self.url}/elsewhere\r\nContent-Length: 0\r\n\r\n".encode())

    @staticmethod
    def _stream_head(connection, content_type="text/event-stream"):
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())

    def _stream_in(self, dialect, connection, exchange):
        parts, content_type = dialects.events(dialect, exchange.path)
        self._stream_head(connection, content_type)
        for part in parts:
            self._chunk(connection, exchange, part)
        connection.sendall(b"0\r\n\r\n")

    @staticmethod
    def _chunk(connection, exchange, data):
        connection.sendall(b"%x\r\n" % len(data) + data + b"\r\n")
        exchange.sent_bytes += len(data)

    @staticmethod
    def event(content):
        return b"data: " + json.dumps({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "stream",
            "choices": [{"index": 0, "delta": content, "finish_reason": None}]}).encode() + b"\n\n"

    def _script_stream(self, connection, exchange, request):
        self._stream_head(connection)
        self._chunk(connection, exchange, self.event({"role": "assistant", "content": ""}))
        for word in ("one ", "two ", "three"):
            self._chunk(connection, exchange, self.event({"content": word}))
        self._chunk(connection, exchange, b"data: [DONE]\n\n")
        connection.sendall(b"0\r\n\r\n")

    def _script_gated(self, connection, exchange, request):
        """The first event, then nothing until the test opens the gate."""
        self._stream_head(connection)
        self._chunk(connection, exchange, self.event({"role": "assistant", "content": "first"}))
        self.gate.wait(PATIENCE_S)
        self._chunk(connection, exchange, b"data: [DONE]\n\n")
        connection.sendall(b"0\r\n\r\n")

    def _script_leaves(self, connection, exchange, request):
        """All but the last event, then only watches whether the gateway closes."""
        self._all_but_the_last_event(connection, exchange)
        return self._script_thinks(connection, exchange, request)

    def _script_thinks(self, connection, exchange, request):
        """Not a byte: only watches whether the gateway closes."""
        with contextlib.suppress(ConnectionError):
            while connection.recv(4096):
                pass
        exchange.closed_by_peer.set()
        return "close"

    def _script_half(self, connection, exchange, request):
        """Half of a plain answer, then as above."""
        body = json.dumps(self.completion("y" * 5000)).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
        connection.sendall(body[:len(body) // 2])
        return self._script_thinks(connection, exchange, request)

    def _all_but_the_last_event(self, connection, exchange):
        dialect = dialects.dialect_of(exchange.path)
        parts, content_type = dialects.events(dialect, exchange.path) if dialect else (
            [self.event({"role": "assistant", "content": "first"}),
             b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk"}'], "text/event-stream")
        self._stream_head(connection, content_type)
        for part in parts[:-1]:
            self._chunk(connection, exchange, part)
        return parts[-1]

    def _script_rests(self, connection, exchange, request):
        """All but the last event, then nothing until the test opens the gate."""
        last = self._all_but_the_last_event(connection, exchange)
        self.gate.wait(PATIENCE_S)
        self._chunk(connection, exchange, last)
        connection.sendall(b"0\r\n\r\n")

    def _script_breaks(self, connection, exchange, request):
        """The connection ends before the last event."""
        self._all_but_the_last_event(connection, exchange)
        return "close"

    def _script_dies(self, connection, exchange, request):
        """Half of the last event, then a reset when the test opens the gate."""
        last = self._all_but_the_last_event(connection, exchange)
        self._chunk(connection, exchange, last[:len(last) // 2])
        if not self.gate.wait(PATIENCE_S):
            return "close"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return "close"

    def _flood(self, connection, exchange, block, total):
        self._stream_head(connection)
        try:
            while exchange.sent_bytes < total:
                self._chunk(connection, exchange, block)
            connection.sendall(b"0\r\n\r\n")
        except (ConnectionError, OSError):
            exchange.closed_by_peer.set()
            return "close"

    def _script_endless(self, connection, exchange, request):
        """Never a blank line: one event without an end, request["bytes"] of it."""
        return self._flood(connection, exchange, b"data: " + b"x" * (1 << 20), int(request["bytes"]))

    def _script_flood(self, connection, exchange, request):
        """Events as fast as they go, request["bytes"] of them."""
        return self._flood(connection, exchange, self.event({"content": "y" * 4000}) * 16, int(request["bytes"]))


ORDER = re.compile(r"ANSWER (\{[^{}]*\})")


def obeyed(contents, field):
    """The answer that some content orders, for a reader who takes nothing for data but the texts of the object that contents[field]
    begins with; None without an order."""
    told = [content for index, content in enumerate(contents) if index != field]
    try:
        value, end = json.JSONDecoder().raw_decode(contents[field])
        told.append(contents[field][end:])
        told.append(json.dumps({key: more for key, more in value.items() if key != "texts"}))
        told += [json.dumps(text) for text in value["texts"] if not isinstance(text, str)]
    except (ValueError, KeyError, AttributeError):
        told.append(contents[field])
    orders = ORDER.findall("\n".join(told))
    return orders[0] if orders else None


def wait_until(condition, patience_s=PATIENCE_S, what="condition"):
    """For things that tell nobody when they happen (another process's memory, its metrics)."""
    deadline = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {patience_s} s: {what}"
        time.sleep(0.02)
