"""A chat server, or with `echo` an echo server, by `websockets` on asyncio."""

import asyncio
import json
import logging
import sys
import time

from websockets.asyncio.server import broadcast, serve

LIMIT = 1024 * 1024
rooms = {}


class Room:
    def __init__(self):
        self.offset = 0
        self.members = set()


def encode(**update):
    return json.dumps(update, separators=(",", ":"))


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def talk(socket):
    nick = ""
    entered = {}
    try:
        async for text in socket:
            command = json.loads(text)
            match command["type"]:
                case "hello":
                    nick = command["nick"]
                    await socket.send(encode(type="welcome", nick=nick))
                case "join":
                    name = command["room"]
                    room = entered[name] = rooms.setdefault(name, Room())
                    room.members.add(socket)
                    await socket.send(encode(type="joined", room=name, count=len(room.members)))
                case "say":
                    name = command["room"]
                    say(entered[name], name, nick, command["text"])
                    await socket.send(encode(type="said", room=name, offset=entered[name].offset))
    finally:
        for room in entered.values():
            room.members.discard(socket)


def say(room, name, nick, text):
    room.offset += 1
    now = time.time_ns() // 1_000_000
    message = encode(type="message", room=name, offset=room.offset, **{"from": nick}, text=text, time=now)
    slow = [one for one in room.members if one.transport.get_write_buffer_size() > LIMIT]
    for one in slow:
        room.members.discard(one)
        one.transport.abort()
    # The library's own fan-out: it waits for nobody.
    broadcast(room.members, message)


async def main():
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    host, port = sys.argv[1].rsplit(":", 1)
    handler = echo if sys.argv[2:] == ["echo"] else talk
    async with serve(handler, host, int(port), compression=None, ping_interval=None, backlog=4096, max_size=65536) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"listening on {host}:{port}", flush=True)
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
