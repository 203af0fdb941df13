"""Echo on Twisted's protocols."""

import sys

from twisted.internet import protocol, reactor


class Echo(protocol.Protocol):
    def connectionMade(self):
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data):
        self.transport.write(data)


host, port = sys.argv[1].rsplit(":", 1)
factory = protocol.Factory.forProtocol(Echo)
factory.noisy = False
listener = reactor.listenTCP(int(port), factory, backlog=4096, interface=host)
address = listener.getHost()
print(f"listening on {address.host}:{address.port}", flush=True)
reactor.run()
