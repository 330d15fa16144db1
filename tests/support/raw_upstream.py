"""An upstream on loopback that answers each request with bytes of the test's choice, right or wrong, and then closes."""
import contextlib
import re
import socket
import threading

from upstream import PATIENCE_S


class RawUpstream:
    """`answer` is an iterable of pieces; each is sent by itself, to whoever asks. A connection is closed behind the last one."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.answer = [b""]
        self.cut = threading.Semaphore(0)  # an answer was not taken to its end
        self.changed = threading.Condition()
        self.serving = 0  # connections that had a request and are not closed yet
        threading.Thread(target=self._accept, daemon=True).start()

    def wait_idle(self):
        """Until every connection that had a request is closed: the next request cannot meet one that is about to end. To be called
        when an answer has come: its connection is counted before the first byte of it is sent."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.serving == 0, PATIENCE_S), f"{self.serving} answers not taken"

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _count(self, more):
        with self.changed:
            self.serving += more
            self.changed.notify_all()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            body = self._read(connection)
            if body is None:
                return
            self._count(1)
            try:
                self._send(connection, self.answer_to(body))
            finally:
                connection.close()
                self._count(-1)

    @staticmethod
    def _read(connection):
        """The body of a whole request; None when the connection ends before."""
        data, length = b"", None
        while length is None or len(data) < length:
            more = connection.recv(65536)
            if not more:
                return None
            data += more
            if length is None and b"\r\n\r\n" in data:
                head, data = data.split(b"\r\n\r\n", 1)
                announced_bytes = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                length = int(announced_bytes.group(1)) if announced_bytes else 0
        return data

    def answer_to(self, body):
        """What is sent to this request; for those who want more than the same to all."""
        return self.answer

    def _send(self, connection, answer):
        try:
            for piece in answer:
                connection.sendall(piece)
        except OSError:
            self.cut.release()


def chunked(body, size):
    """A head and the body of an event stream in chunks of `size` bytes, each a piece of its own."""
    yield b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    for at in range(0, len(body), size):
        part = body[at:at + size]
        yield b"%x\r\n" % len(part) + part + b"\r\n"
    yield b"0\r\n\r\n"


def announced(body, size):
    """The same with a length, in pieces of `size` bytes that fall as they may."""
    yield (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"
           % len(body))
    for at in range(0, len(body), size):
        yield body[at:at + size]
