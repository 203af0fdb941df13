// A chat server, or with `echo` an echo server, by `ws` on Node.
const { WebSocketServer, WebSocket } = require('ws');

const LIMIT = 1024 * 1024;
const [host, port] = process.argv[2].split(':');
const isEcho = process.argv[3] === 'echo';
const server = new WebSocketServer({ host, port: Number(port), backlog: 4096, perMessageDeflate: false, maxPayload: 65536 });
const rooms = new Map();

// One buffer for all receivers: a text would be encoded for each.
const encode = (update) => Buffer.from(JSON.stringify(update));

function push(socket, message) {
  if (socket.readyState !== WebSocket.OPEN) return;
  if (socket.bufferedAmount > LIMIT) socket.terminate();
  else socket.send(message, { binary: false });
}

function room(name) {
  let found = rooms.get(name);
  if (!found) rooms.set(name, (found = { offset: 0, members: new Set() }));
  return found;
}

function receive(socket, client, command) {
  switch (command.type) {
    case 'hello':
      client.nick = command.nick;
      return push(socket, encode({ type: 'welcome', nick: client.nick }));
    case 'join': {
      const entered = room(command.room);
      entered.members.add(socket);
      client.rooms.set(command.room, entered);
      return push(socket, encode({ type: 'joined', room: command.room, count: entered.members.size }));
    }
    case 'say': {
      const entered = client.rooms.get(command.room);
      if (!entered) return push(socket, encode({ type: 'error', text: 'enter the room first' }));
      const offset = ++entered.offset;
      const message = encode({ type: 'message', room: command.room, offset, from: client.nick, text: command.text, time: Date.now() });
      for (const member of entered.members) push(member, message);
      return push(socket, encode({ type: 'said', room: command.room, offset }));
    }
  }
}

server.on('connection', (socket) => {
  socket.on('error', () => {});
  if (isEcho) {
    socket.on('message', (message, binary) => socket.send(message, { binary }));
    return;
  }
  const client = { nick: '', rooms: new Map() };
  socket.on('message', (text) => receive(socket, client, JSON.parse(text)));
  socket.on('close', () => client.rooms.forEach((entered) => entered.members.delete(socket)));
});

server.on('listening', () => console.log(`listening on ${host}:${server.address().port}`));
