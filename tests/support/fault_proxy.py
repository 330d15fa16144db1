"""A TCP proxy on loopback that delays, holds, cuts or corrupts what passes, as it is told; by a seed, so that a run can be had again."""
import contextlib
import random
import socket
import threading
import time

BLOCK_BYTES = 65536


class FaultProxy:
    """Set `delay_s` and `corrupt_one_in` (bytes; 0: none) at any time. `connections` and `corrupted` count."""

    def __init__(self, target, seed=1):
        self.target, self.seed = target, seed
        self.delay_s, self.corrupt_one_in = 0, 0
        self.connections, self.corrupted = 0, 0
        self.passing = threading.Event()
        self.passing.set()
        self.lock = threading.Lock()
        self.open = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def blackhole(self):
        """From now on nothing arrives, no byte and no end, and nobody is told: a partition."""
        self.passing.clear()

    def heal(self):
        """What was held arrives, where somebody still listens: TCP has kept it."""
        self.passing.set()

    def cut(self):
        """Ends every connection at both sides; new ones are taken."""
        with self.lock:
            ended, self.open = self.open, set()
        for end in ended:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()
        self.heal()
        self.cut()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(near, self.connections), daemon=True).start()

    def _serve(self, near, number):
        self.passing.wait()
        with near, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.target)) as far:
            with self.lock:
                self.open |= {near, far}
            back = threading.Thread(target=self._pump, args=(far, near, random.Random(f"{self.seed}/{number}/back")), daemon=True)
            back.start()
            self._pump(near, far, random.Random(f"{self.seed}/{number}/forth"))
            back.join()
            with self.lock:
                self.open -= {near, far}

    def _pump(self, source, sink, dice):
        """Until one side ends; then the other one does."""
        with contextlib.suppress(OSError):
            while data := source.recv(BLOCK_BYTES):
                if self.delay_s:
                    time.sleep(self.delay_s)
                self.passing.wait()
                sink.sendall(self._corrupt(data, dice))
        self.passing.wait()
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _corrupt(self, data, dice):
        if not self.corrupt_one_in:
            return data
        data = bytearray(data)
        for index in range(len(data)):
            if dice.randrange(self.corrupt_one_in) == 0:
                data[index] ^= 1 << dice.randrange(8)
                self.corrupted += 1
        return bytes(data)


class FrameDropper(FaultProxy):
    """Between a trainer and its moderators: `share` of the announcements never arrive, by the seed; all else of ZMTP passes.
    `seen` has when each announcement that differs from the one before came here the first time (time.monotonic)."""

    def __init__(self, target, seed, share=0.5):
        self.share, self.seen, self.last = share, [], None
        self.dropped, self.passed = 0, 0
        super().__init__(target, seed)

    def _pump(self, source, sink, dice):
        if source.getpeername()[1] != self.target:
            return super()._pump(source, sink, dice)
        with contextlib.suppress(OSError, EOFError):
            stream = source.makefile("rb")
            for _ in range(64):  # the greeting, byte by byte: its beginning is answered before its end comes
                sink.sendall(self._exactly(stream, 1))
            while True:
                flags = self._exactly(stream, 1)
                count = self._exactly(stream, 8 if flags[0] & 2 else 1)
                body = self._exactly(stream, int.from_bytes(count, "big"))
                if flags[0] & 4 or not self._loses(body, dice):  # commands: heartbeats, READY
                    sink.sendall(flags + count + body)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _loses(self, body, dice):
        if body != self.last:
            self.last = body
            self.seen.append(time.monotonic())
        lost = dice.random() < self.share
        self.dropped, self.passed = self.dropped + lost, self.passed + (not lost)
        return lost

    @staticmethod
    def _exactly(stream, count):
        data = stream.read(count)
        if len(data) < count:
            raise EOFError
        return data
