// Echo on Node's streams.
const net = require("node:net");

const [host, port] = process.argv[2].split(":");
const server = net.createServer({ noDelay: true }, (stream) => {
  stream.on("data", (data) => stream.write(data));
  stream.on("error", () => stream.destroy());
});
server.listen({ host, port: Number(port), backlog: 4096 }, () => {
  const { address, port } = server.address();
  console.log(`listening on ${address}:${port}`);
});
