// One connection to the server after another.

import { Events, Polls } from './ways.js';

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;
/** A connection that has lasted this long ends the back-off. */
const STABLE = 10_000;
/** How long an answer may take before the connection counts as lost. */
const ANSWER = 8_000;
/** What the server permits is 60 commands at once and 20 a second. */
const BURST = 40;
const RATE = 15;
/** After so many WebSockets that did not open while the server answers requests, they count as blocked. */
const BLOCKED = 2;

const openWebSocket = () => {
  const address = new URL('ws', document.baseURI);
  address.protocol = address.protocol.replace('http', 'ws');
  return new WebSocket(address);
};
const WAYS = [openWebSocket, () => new Events(), () => new Polls()];

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
  #way = 0;
  #failed = 0;
  /** Connecting, open, waiting, or ended for good. */
  state = 'ended';
  heard = 0;

  /** `on` has the methods `open()`, `update(update)`, `lost()` and `state(state, detail)`. */
  constructor(on) {
    this.on = on;
    addEventListener('online', () => this.#hurry());
    addEventListener('offline', () => this.#lost(this.#socket, { offline: true }));
    // Nothing else tells the server of it.
    addEventListener('pagehide', () => this.way && this.#lost(this.#socket));
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return;
      if (this.state === 'open') this.probe();
      else this.#hurry();
    });
  }

  /** What takes the place of WebSocket: `events` or `polling`. */
  get way() {
    return this.#socket?.way;
  }

  /** Connects now, whatever was before. */
  connect() {
    this.#drop();
    this.#become('connecting');
    const socket = WAYS[this.#way]();
    this.#socket = socket;
    const soon = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#lost(socket), ANSWER);
    };
    soon();
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      soon();
      this.on.open();
    };
    socket.onupdate = update => {
      if (socket !== this.#socket) return;
      this.heard = Date.now();
      clearTimeout(this.#probe);
      this.#probe = 0;
      this.on.update(update);
    };
    socket.onmessage = ({ data }) => socket.onupdate(JSON.parse(data));
    socket.onclose = event => this.#lost(socket, event);
  }

  /** The server knows the user: the connection is of use. */
  welcomed() {
    clearTimeout(this.#timer);
    this.#failed = 0;
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
    if (this.state === 'connecting' && code < 4000 && !offline) this.#blame(socket.key, this.#way);
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

  /** Takes another way if this one is blocked: it has failed, and the server answers requests. */
  async #blame(key, way) {
    const reached = way ? key : await fetch('icon.svg', { method: 'HEAD', cache: 'no-store' }).catch(() => null);
    if (way !== this.#way) return;
    this.#failed = reached ? this.#failed + 1 : 0;
    if (!reached) this.#way = 0;
    if (this.#failed < (way ? 1 : BLOCKED)) return;
    this.#way = (way + 1) % WAYS.length;
    this.#failed = 0;
  }

  #become(state, detail = {}) {
    this.state = state;
    this.on.state(state, detail);
  }
}
