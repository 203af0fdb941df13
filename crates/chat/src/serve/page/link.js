// One connection to the server after another.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;
/** A connection that has lasted this long ends the back-off. */
const STABLE = 10_000;
/** How long an answer may take before the connection counts as lost. */
const ANSWER = 8_000;
/** What the server permits is 60 commands at once and 20 a second. */
const BURST = 40;
const RATE = 15;

/** Connects, comes back after losses, and sends no faster than the server permits. */
export class Link {
  #socket = null;
  #tries = 0;
  #timer = 0;
  #stable = 0;
  #probe = 0;
  #queue = [];
  #permits = BURST;
  #at = 0;
  #pump = 0;
  /** Connecting, open, waiting, or ended for good. */
  state = 'ended';
  heard = 0;

  /** `on` has the methods `open()`, `update(update)`, `lost()` and `state(state, detail)`. */
  constructor(on) {
    this.on = on;
    addEventListener('online', () => this.#hurry());
    addEventListener('offline', () => this.#lost(this.#socket, { offline: true }));
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return;
      if (this.state === 'open') this.probe();
      else this.#hurry();
    });
  }

  /** Connects now, whatever was before. */
  connect() {
    this.#drop();
    this.#become('connecting');
    const address = new URL('ws', document.baseURI);
    address.protocol = address.protocol.replace('http', 'ws');
    const socket = new WebSocket(address);
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#lost(socket), ANSWER * 2);
    socket.onopen = () => this.on.open();
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      this.heard = Date.now();
      clearTimeout(this.#probe);
      this.#probe = 0;
      this.on.update(JSON.parse(data));
    };
    socket.onclose = event => this.#lost(socket, event);
  }

  /** The server knows the user: the connection is of use. */
  welcomed() {
    clearTimeout(this.#timer);
    this.#become('open');
    this.#stable = setTimeout(() => (this.#tries = 0), STABLE);
  }

  /** Closes the connection for good. */
  end(detail) {
    this.#drop();
    this.#become('ended', detail);
  }

  /** Sends a command; waits its turn if there have been many. */
  send(command) {
    this.#queue.push(JSON.stringify(command));
    this.#flush();
  }

  /** Sends a command that is worth nothing later. */
  sendPassing(command) {
    if (this.state === 'open' && !this.#queue.length) this.send(command);
  }

  /** Asks something, and takes the connection for lost if no answer comes. */
  probe() {
    if (this.state !== 'open' || this.#probe) return;
    const socket = this.#socket;
    this.#probe = setTimeout(() => this.#lost(socket), ANSWER);
    this.on.probe();
  }

  #hurry() {
    if (this.state === 'waiting') this.connect();
  }

  #flush() {
    clearTimeout(this.#pump);
    const now = Date.now();
    this.#permits = Math.min(BURST, this.#permits + ((now - this.#at) / 1000) * RATE);
    this.#at = now;
    while (this.#queue.length && this.#permits >= 1 && this.#socket?.readyState === WebSocket.OPEN) {
      this.#permits -= 1;
      this.#socket.send(this.#queue.shift());
    }
    if (this.#queue.length) this.#pump = setTimeout(() => this.#flush(), 1000 / RATE);
  }

  #drop() {
    for (const timer of [this.#timer, this.#stable, this.#probe, this.#pump]) clearTimeout(timer);
    const socket = this.#socket;
    this.#socket = null;
    this.#probe = 0;
    this.#queue = [];
    this.#permits = BURST;
    socket?.close();
    if (this.state === 'open') this.on.lost();
  }

  #lost(socket, { code = 0, reason = '', offline = false } = {}) {
    if (!socket || socket !== this.#socket) return;
    this.#drop();
    if (code >= 4500 && code <= 4999) return this.#become('ended', { code, text: reason });
    // Who has sent too much comes back more slowly.
    if (code === 4003) this.#tries = Math.max(this.#tries, 3);
    // Full jitter: those who were cut at once come back spread out.
    const pause = Math.random() * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#tries++);
    this.#timer = setTimeout(() => this.connect(), pause);
    const text = code >= 4000 ? reason : '';
    this.#become('waiting', { text, offline, until: Date.now() + pause });
  }

  #become(state, detail = {}) {
    this.state = state;
    this.on.state(state, detail);
  }
}
