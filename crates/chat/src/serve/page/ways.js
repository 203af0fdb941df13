// Ways to the server where WebSocket is blocked. The link uses each as it uses a WebSocket.

/** The most characters that are sent at once. */
const MOST = 24_000;
/** How long a request may take, and how long a poll may. */
const ANSWER = 8_000;
const POLL = 40_000;
const RETRY = 1_000;

class Requests {
  readyState = WebSocket.CONNECTING;
  position = 0;
  #waiting = [];
  #sending = false;

  constructor() {
    this.#open();
  }

  send(text) {
    this.#waiting.push(text);
    if (!this.#sending) this.#send();
  }

  /** Ends the connection on both sides. */
  close() {
    if (this.readyState === WebSocket.OPEN) navigator.sendBeacon(this.address('close'));
    this.readyState = WebSocket.CLOSED;
    this.stop();
  }

  /** Ends the connection, for a reason that the server has told or for none. */
  end(reason = {}) {
    if (this.readyState === WebSocket.CLOSED) return;
    this.close();
    this.onclose(reason);
  }

  stop() {}

  address(path) {
    return `${path}?key=${this.key}&position=${this.position}`;
  }

  async ask(path, time, options) {
    const answer = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(time), ...options });
    if (!answer.ok) this.end();
    return answer;
  }

  async #open() {
    try {
      const answer = await this.ask('connect', ANSWER, { method: 'POST' });
      if (answer.ok) this.key = (await answer.json()).key;
    } catch {
      return this.end();
    }
    if (this.readyState !== WebSocket.CONNECTING) return;
    this.readyState = WebSocket.OPEN;
    this.onopen();
    this.read();
  }

  /** One request after another, so that none overtakes another. */
  async #send() {
    this.#sending = true;
    while (this.#waiting.length && this.readyState === WebSocket.OPEN) {
      let body = this.#waiting.shift();
      while (this.#waiting.length && body.length + this.#waiting[0].length < MOST) body += `\n${this.#waiting.shift()}`;
      // Nobody knows whether the server has what is lost: it is said again over another connection.
      await this.ask(this.address('send'), ANSWER, { method: 'POST', body }).catch(() => this.end());
    }
    this.#sending = false;
  }
}

export class Events extends Requests {
  way = 'events';
  #source = null;
  #late;

  /** The browser comes back by itself, with the last position. */
  read() {
    const source = new EventSource(this.address('events'));
    this.#source = source;
    source.onmessage = ({ data, lastEventId }) => {
      this.position = lastEventId;
      this.onupdate(JSON.parse(data));
    };
    source.addEventListener('close', ({ data }) => this.end(JSON.parse(data)));
    source.onopen = () => (this.#late = clearTimeout(this.#late));
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) this.end();
      else this.#late ??= setTimeout(() => this.end(), ANSWER);
    };
    source.onerror();
  }

  stop() {
    clearTimeout(this.#late);
    this.#source?.close();
  }
}

export class Polls extends Requests {
  way = 'polling';

  async read() {
    for (let lost = 0; this.readyState === WebSocket.OPEN; ) {
      try {
        const answer = await this.ask(this.address('poll'), POLL);
        if (!answer.ok) return;
        const { position, updates, close } = await answer.json();
        lost = 0;
        for (const update of updates) if (this.readyState === WebSocket.OPEN) this.onupdate(update);
        this.position = position;
        if (close) this.end(close);
      } catch {
        // What was lost comes again.
        if (lost++) return this.end();
        await new Promise(resolve => setTimeout(resolve, RETRY));
      }
    }
  }
}
