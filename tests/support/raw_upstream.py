"""An upstream on loopback that answers each request with bytes of the test's choice, right or wrong, and then closes."""
import contextlib
import re
import socket
import threading


class RawUpstream:
    """`answer` is an iterable of pieces; each is sent by itself, to whoever asks. A connection is closed behind the last one."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.answer = [b""]
        self.cut = threading.Semaphore(0)  # an answer was not taken to its end
        self.ended = threading.Semaphore(0)  # a connection that had a request is closed
        self.requests = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        requests = self.requests
        self._serve_one(connection)
        if self.requests > requests:
            self.ended.release()

    def _serve_one(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            data = b""
            while b"\r\n\r\n" not in data:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            head, data = data.split(b"\r\n\r\n", 1)
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            while length and len(data) < int(length.group(1)):
                data += connection.recv(65536)
            self.requests += 1
            try:
                for piece in self.answer:
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
