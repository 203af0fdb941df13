// The messages of the conversation that is shown.

import { dayOf, element, linked, mentions, named, timeOf } from './text.js';

/** Messages of one author within this time are a group. */
const GROUP = 5 * 60_000;
const NEAR = 48;

const log = document.querySelector('#log');
const newer = document.querySelector('#newer');

const STATES = {
  sending: 'sending …',
  queued: 'with the server, and kept later',
  passing: 'not kept yet',
  failed: '',
};

/** Shows conversations. `chat` is asked for older messages. */
export class LogView {
  #room = null;
  #days = new Map();
  #fresh = element('p', { className: 'line fresh', textContent: 'New' });
  #top = element('p', { className: 'line', hidden: true });
  #stuck = true;
  #nodes = new WeakMap();

  constructor(chat) {
    this.chat = chat;
    log.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    newer.addEventListener('click', () => this.toEnd());
    // A keyboard that opens, and a field that grows, take from the log.
    new ResizeObserver(() => this.#stuck && this.toEnd()).observe(log);
  }

  /** Whether the newest message is seen. */
  get atEnd() {
    return this.#stuck;
  }

  toEnd() {
    this.#stuck = true;
    log.scrollTop = log.scrollHeight;
    this.chat.view.changed();
  }

  page(direction) {
    log.scrollBy({ top: direction * log.clientHeight * 0.8 });
  }

  show(room) {
    const other = room !== this.#room;
    if (other) {
      this.#room = room;
      this.#days.clear();
      this.#stuck = true;
      log.replaceChildren();
    }
    const before = log.querySelector(':scope > .message');
    const anchor = this.#stuck ? null : this.#anchor();
    const wanted = room ? this.#wanted(room) : [];
    // What was said before is not read out.
    const added = other || before !== wanted.find(node => node.matches('.message'));
    if (added) log.ariaLive = 'off';
    this.#place(wanted);
    if (added) setTimeout(() => (log.ariaLive = 'polite'), 100);
    if (this.#stuck) log.scrollTop = log.scrollHeight;
    else if (anchor?.node.isConnected) log.scrollTop += anchor.node.getBoundingClientRect().top - anchor.top;
    this.#tellNewer(room);
    this.#fill();
  }

  #tellNewer(room) {
    newer.hidden = this.#stuck;
    const unread = room?.unread;
    newer.querySelector('span').textContent =
      unread ? `${unread} new ${unread === 1 ? 'message' : 'messages'}` : 'Newest';
  }

  /** Brings the children of the log in line, touching those only that differ. */
  #place(wanted) {
    let at = log.firstChild;
    const kept = new Set(wanted);
    for (const node of wanted) {
      while (at && !kept.has(at)) {
        const gone = at;
        at = at.nextSibling;
        gone.remove();
      }
      if (node === at) at = at.nextSibling;
      else log.insertBefore(node, at);
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  }

  #anchor() {
    const top = log.getBoundingClientRect().top;
    const node = [...log.children].find(child => child.matches('.message') && child.getBoundingClientRect().bottom > top);
    return node && { node, top: node.getBoundingClientRect().top };
  }

  #wanted(room) {
    const wanted = [this.#top];
    let last = null;
    let day = null;
    for (const item of room.items) {
      const today = item.time && dayOf(item.time);
      if (today && today.key !== day) {
        day = today.key;
        last = null;
        wanted.push(this.#day(today));
      }
      if (item === room.fresh) {
        last = null;
        wanted.push(this.#fresh);
      }
      const grouped =
        item.kind === 'message' && last?.kind === 'message' && last.from === item.from
        && item.time - last.time < GROUP && !item.text.startsWith('/me ') && !last.text.startsWith('/me ');
      wanted.push(this.#node(room, item, grouped));
      last = item;
    }
    this.#tellTop(room);
    return wanted;
  }

  #tellTop(room) {
    const loading = room.asked && !room.asked.gap;
    this.#top.textContent =
      room.items.length ? (loading ? 'Loading older messages …' : '')
      : room.direct ? `Only you and ${room.title} read this.`
      : room.joined ? 'Nothing has been said here yet.' : '';
    this.#top.hidden = !this.#top.textContent;
  }

  #day({ key, words }) {
    if (!this.#days.has(key)) this.#days.set(key, element('p', { className: 'line day' }));
    const node = this.#days.get(key);
    if (node.textContent !== words) node.textContent = words;
    return node;
  }

  #node(room, item, grouped) {
    const signature = JSON.stringify([item.state, item.why, item.to, item.lost, room.asked?.gap === item, this.chat.me]);
    let made = this.#nodes.get(item);
    if (made?.signature !== signature) {
      const node = this.#draw(room, item);
      // In its place, so that a focus or a place in the log is not lost to a change of others.
      if (made?.node.parentNode === log) made.node.replaceWith(node);
      made = { node, signature };
      this.#nodes.set(item, made);
    }
    made.node.classList.toggle('grouped', grouped);
    return made.node;
  }

  #draw(room, item) {
    if (item.kind === 'message') return this.#message(room, item);
    if (item.kind === 'missing') return this.#missing(room, item);
    if (item.kind === 'note') return element('p', { className: 'note', dir: 'auto' }, item.text);
    const what = item.text ? [' set the topic: ', element('bdi', {}, ...linked(item.text))] : [' removed the topic'];
    return element('p', { className: 'note' }, named(item.from), ...what);
  }

  #message(room, item) {
    const own = item.from === this.chat.me;
    const doing = item.text.startsWith('/me ');
    const text = doing ? item.text.slice(4) : item.text;
    const body = element('div', { className: 'text', dir: 'auto' }, ...(doing ? [named(item.from), ' '] : []), ...linked(text));
    const node = element('div', { className: 'message' },
      element('div', { className: 'head' }, named(item.from), ' ', timeOf(item.time)), body);
    node.classList.toggle('doing', doing);
    node.classList.toggle('own', own);
    node.classList.toggle('mention', !own && mentions(text, this.chat.me));
    if (item.state) {
      node.classList.add(item.state);
      node.append(element('div', { className: 'delivery' }, ...this.#delivery(room, item)));
    }
    return node;
  }

  #delivery(room, item) {
    if (item.state !== 'failed') return [STATES[item.state]];
    const button = (text, act) => element('button', { type: 'button', textContent: text, onclick: act });
    return [
      `Not sent: ${item.why} `,
      button('Send again', () => this.chat.retry(item)),
      button('Discard', () => this.chat.discard(room, item)),
    ];
  }

  #missing(room, item) {
    const { from, to, lost } = item;
    const many = to - from + 1;
    const words =
      !to ? 'Messages may be missing here'
      : lost ? `${many} ${many === 1 ? 'message is' : 'messages are'} not kept any longer`
      : `${many} ${many === 1 ? 'message is' : 'messages are'} missing here`;
    const node = element('p', { className: 'line missing' }, words);
    if (to && !lost) {
      const waits = room.asked?.gap === item;
      const load = () => this.chat.older(room, item) && this.chat.view.changed();
      node.append(' ', element('button', { type: 'button', disabled: waits, textContent: waits ? 'loading …' : 'Load', onclick: load }));
    }
    return node;
  }

  #scrolled() {
    const stuck = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
    if (stuck !== this.#stuck) {
      this.#stuck = stuck;
      this.chat.view.changed();
    }
    this.#fill();
  }

  /** Asks for older messages where the oldest one is near, once all that there is is shown. */
  #fill() {
    const items = this.#room?.items ?? [];
    const shown = item => this.#nodes.get(item ?? this)?.node.isConnected;
    const near = shown(items[0]) && shown(items.at(-1)) && log.scrollTop < log.clientHeight / 2;
    if (near && this.chat.older(this.#room)) this.chat.view.changed();
  }
}
