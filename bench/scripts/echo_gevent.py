"""Echo on gevent's green threads."""

import sys

from gevent.server import StreamServer


def echo(stream, _address):
    while data := stream.recv(16 * 1024):
        stream.sendall(data)


host, port = sys.argv[1].rsplit(":", 1)
server = StreamServer((host, int(port)), echo, backlog=4096)
server.start()
print(f"listening on {server.server_host}:{server.server_port}", flush=True)
server.serve_forever()
