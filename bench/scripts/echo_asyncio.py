"""Echo on asyncio's protocols, with uvloop if the second argument says so."""

import asyncio
import sys


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def main():
    host, port = sys.argv[1].rsplit(":", 1)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, host, int(port), backlog=4096)
    host, port = server.sockets[0].getsockname()
    print(f"listening on {host}:{port}", flush=True)
    await server.serve_forever()


if sys.argv[2:] == ["uvloop"]:
    import uvloop

    uvloop.install()
asyncio.run(main())
