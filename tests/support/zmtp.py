"""A peer that speaks ZMTP 3.1 by hand (NULL mechanism), so that a test can send it what no library would; heartbeats are answered."""
import contextlib
import socket
import struct

from upstream import PATIENCE_S

MORE, LONG, COMMAND = 1, 2, 4
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)


class Closed(Exception):
    """The other side has ended the connection."""


class Peer:
    """`kind` is the socket type that it says it has ("REQ", "ROUTER", "XPUB")."""

    def __init__(self, connection, kind):
        self.connection = connection
        connection.settimeout(PATIENCE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(GREETING)
        self._exactly(len(GREETING))
        self._send_frame(COMMAND, b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind.encode())
        command = self._frame()[1]
        assert command.startswith(b"\x05READY"), command

    @classmethod
    def connect(cls, port, kind):
        return cls(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S), kind)

    def close(self):
        self.connection.close()

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            with contextlib.suppress(ConnectionError):
                more = self.connection.recv(count - len(data))
                if more:
                    data += more
                    continue
            raise Closed
        return data

    def _frame(self):
        flags = self._exactly(1)[0]
        length = struct.unpack(">Q", self._exactly(8))[0] if flags & LONG else self._exactly(1)[0]
        return flags, self._exactly(length)

    def _send_frame(self, flags, body):
        head = struct.pack(">BQ", flags | LONG, len(body)) if len(body) > 255 else struct.pack(">BB", flags, len(body))
        try:
            self.connection.sendall(head + body)
        except ConnectionError:
            raise Closed from None

    def send(self, *frames):
        for index, frame in enumerate(frames):
            self._send_frame(MORE if index + 1 < len(frames) else 0, frame)

    def receive(self):
        """The frames of the next message. A REQ-style delimiter is one of them."""
        frames = []
        while True:
            flags, body = self._frame()
            if flags & COMMAND:
                if body.startswith(b"\x04PING"):
                    self._send_frame(COMMAND, b"\x04PONG" + body[7:])
                continue
            frames.append(body)
            if not flags & MORE:
                return frames


class Listener:
    """The side that binds: takes the peers that connect to it."""

    def __init__(self, kind):
        self.kind = kind
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.socket.settimeout(PATIENCE_S)
        self.port = self.socket.getsockname()[1]

    def accept(self):
        return Peer(self.socket.accept()[0], self.kind)

    def close(self):
        self.socket.close()
