"""Clients in great number, on asyncio: whoever is refused comes again until it is served, and what they heard is counted."""
import asyncio
import collections
import json
import re
import socket

from stack import request_bytes

TRIES = 60     # of one client,
RETRY_S = 0.5  # so long after it was refused
AT_ONCE = 64   # on their way
KIB = 1024


def chat(content, path, **more):
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": content}], **more}).encode()
    return request_bytes(body, path=path)


async def settle():
    await asyncio.sleep(0.7)


async def status_of(reader):
    """The next answer's; 0 where the connection ends instead."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.I)
        await reader.readexactly(int(length.group(1)) if length else 0)
        return int(head.split(b" ")[1])
    except (OSError, asyncio.IncompleteReadError):
        return 0


async def ask(reader, writer):
    writer.write(chat("hello", "/plain/v1/chat/completions"))
    return await status_of(reader)


async def stream(reader, writer):
    writer.write(chat("hello", "/plain/live", stream=True))
    return await status_of(reader)


async def stall(reader, writer):
    writer.write(chat("hello", "/plain/flood", stream=True))
    status = await status_of(reader)
    writer.transport.pause_reading()
    return status


class Clients:
    """`answers`: how often each status was heard, "lost" for a connection that ended without one; `unserved`: who gave up."""

    def __init__(self, port):
        self.port, self.open, self.answers, self.unserved = port, [], collections.Counter(), 0

    async def connect(self):
        """With a small buffer: hundreds that read nothing would take all memory that the kernel has for sockets, and lose them."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
        except OSError:
            connection.close()
            raise
        return await asyncio.open_connection(sock=connection, limit=64 * KIB)

    async def serve(self, talk):
        """Comes again until it is served, and stays; whether it was."""
        for _ in range(TRIES):
            writer = None
            try:
                reader, writer = await self.connect()
                status = await asyncio.wait_for(talk(reader, writer), 60)
            except (OSError, asyncio.TimeoutError):
                status = 0
            self.answers[str(status or "lost")] += 1
            if status == 200:
                self.open.append((reader, writer))  # a reader that nobody holds closes its connection
                return
            if writer is not None:
                writer.transport.abort()
            await asyncio.sleep(RETRY_S)
        self.unserved += 1

    async def each(self, count, talk):
        """So many clients, at most 64 of them on their way at a time."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one():
            async with gate:
                await self.serve(talk)
        await asyncio.gather(*[one() for _ in range(count)])

    async def close(self):
        for _, writer in self.open:
            writer.transport.abort()
        self.open = []
        await settle()


class Bodies(Clients):
    """Clients that all send a body but for its end, before the first one ends."""

    def __init__(self, port, data):
        super().__init__(port)
        self.data, self.held = data, []

    async def whole(self, reader, writer):
        writer.write(self.data)
        return await status_of(reader)

    async def hold(self):
        try:
            reader, writer = await self.connect()
            writer.write(self.data[:-1])
            self.held.append((asyncio.create_task(status_of(reader)), writer))
            await asyncio.wait_for(writer.drain(), 60)
        except (OSError, asyncio.TimeoutError):
            pass  # its status tells

    def drop_refused(self):
        """Those that were answered before they had ended."""
        refused = [one for one in self.held if one[0].done()]
        self.held = [one for one in self.held if not one[0].done()]
        for answer, writer in refused:
            self.answers[str(answer.result() or "lost")] += 1
            writer.transport.abort()

    async def gather(self, count, rounds=TRIES):
        """Brings `count` of them in, those that are refused in one round again in the next."""
        gate = asyncio.Semaphore(2 * AT_ONCE)

        async def one():
            async with gate:
                await self.hold()
        for _ in range(rounds):
            await asyncio.gather(*[one() for _ in range(count - len(self.held))])
            await settle()
            self.drop_refused()
            if len(self.held) == count:
                return
            await asyncio.sleep(RETRY_S)

    async def finish(self, count):
        """Ends them; whoever is refused, or was, sends all of it again until it is served."""
        for _, writer in self.held:
            writer.write(self.data[-1:])
        served = 0
        for answer, writer in self.held:
            status = await asyncio.wait_for(answer, 60)
            self.answers[str(status or "lost")] += 1
            served += status == 200
            writer.transport.abort()
        self.held = []
        await self.each(count - served, self.whole)
        await self.close()
