// A conversation: what was said in it, in order, and what is missing.

import { store } from './store.js';
import { mentions } from './text.js';

const LATER = Infinity;
/** When there are more entries than this, the oldest go; the server has them. */
const MOST = 3000;

/** Entries have a place: the run of the history and the offset in it. What has no offset yet comes last. */
const after = (a, b) => a.run - b.run || a.place - b.place;

export class Room {
  items = [];
  /** The newest entry that was seen without a hole that is not marked. */
  offset = 0;
  epoch = null;
  /** How many epochs there were before. */
  run = 0;
  joined = false;
  /** The offset of the newest entry when the room was entered. */
  newest = 0;
  /** Nothing older can be had. */
  complete = false;
  /** The question for older entries that is not answered yet. */
  asked = null;
  topic = '';
  count = 0;
  members = new Map();
  typing = new Map();
  unread = 0;
  mentioned = false;
  /** The first entry of those that are new. */
  fresh = null;
  draft = '';
  #known = new Set();

  constructor(key, title) {
    this.key = key;
    this.title = title;
    this.direct = key.startsWith('@');
  }

  /** What the server is told to be known, if anything is. */
  since() {
    return this.offset ? { epoch: this.epoch, offset: this.offset } : undefined;
  }

  /** Enters the room, or comes back to it. */
  enter({ epoch, offset, recovered, topic, count, members }) {
    if (this.epoch !== epoch || offset < this.offset) {
      if (this.items.length) {
        this.run += 1;
        this.put({ kind: 'missing', run: this.run, place: 0 });
      }
      Object.assign(this, { epoch, offset: 0 });
    } else if (recovered === undefined) {
      this.offset = 0;
    }
    Object.assign(this, { joined: true, topic, asked: null, newest: offset });
    this.people(members, count);
    const read = store.read[this.key];
    if (!read) this.markRead(offset);
  }

  people(members, count) {
    this.count = count;
    this.members = new Map(members.map(({ nick, away }) => [nick, away ? 'away' : 'here']));
  }

  /** Takes an entry that the server tells. */
  take(entry, me, seen) {
    const { offset } = entry;
    if (this.offset && offset > this.offset + 1) this.lack(this.offset + 1, offset - 1);
    this.offset = Math.max(this.offset, offset);
    if (!this.#learn(offset)) return;
    const item = this.#settle(entry, offset);
    if (entry.type === 'topic') this.topic = entry.text;
    this.typing.delete(entry.from);
    this.#count(item, me, seen);
  }

  /** Takes a direct message; `earlier` ones were said before this page was opened. */
  takeDirect(entry, me, seen, epoch, earlier) {
    Object.assign(this, { epoch, offset: entry.offset });
    const item = this.#settle(entry, entry.offset);
    if (!earlier) this.settle(item, entry);
    this.#count(item, me, seen);
  }

  /** Takes a message that is not kept yet. */
  takePending({ from, text, id, time }, me, seen) {
    const same = id && this.items.findLast(item => item.id === id && item.from === from);
    if (same) {
      if (!same.offset) same.state = 'passing';
      return;
    }
    const item = this.putLast({ kind: 'message', from, text, id, time, state: 'passing' });
    this.#count(item, me, seen);
  }

  /** Counts what the user has not seen. */
  #count(item, me, seen) {
    const unread = item.offset === undefined || this.isUnread(item.offset);
    if (item.from === me || item.counted || seen || !unread) return;
    item.counted = true;
    this.unread += 1;
    this.mentioned ||= this.direct || mentions(item.text, me);
    this.fresh ??= item;
  }

  /** Marks what was not sent. */
  lack(from, to) {
    from = Math.max(from, this.offset + 1);
    if (from > to) return;
    this.put({ kind: 'missing', run: this.run, place: to, from, to });
    this.offset = Math.max(this.offset, to);
  }

  /** Takes older entries, which were asked for. */
  older({ epoch, complete, messages }) {
    const asked = this.asked;
    this.asked = null;
    if (!asked || epoch !== this.epoch) return;
    for (const entry of messages) {
      if (this.#learn(entry.offset)) this.#settle(entry, entry.offset);
    }
    const first = messages[0]?.offset ?? asked.before;
    if (!asked.gap) {
      this.complete = complete;
    } else if (first <= asked.gap.from) {
      this.remove(asked.gap);
    } else {
      Object.assign(asked.gap, { place: first - 1, to: first - 1, lost: complete });
    }
  }

  /** Returns the question for older entries, if it makes sense to ask. */
  ask(gap) {
    if (this.asked || !this.joined || this.direct) return null;
    const oldest = this.items.find(item => item.offset);
    const none = !oldest || oldest.run !== this.run || oldest.offset === 1;
    // What comes after the room was entered moves the oldest one out of sight.
    if (!gap && (none || this.complete || this.offset < this.newest)) return null;
    const before = gap ? gap.to + 1 : oldest.offset;
    const limit = gap ? Math.min(gap.to + 1 - gap.from, 300) : 100;
    this.asked = { before, gap };
    return { type: 'history', room: this.key, before, limit };
  }

  /** Puts something in its place. */
  put(item) {
    let at = this.items.length;
    while (at && after(this.items[at - 1], item) > 0) at -= 1;
    this.items.splice(at, 0, item);
    return item;
  }

  /** Puts what has no offset at the end: what is on its way, and notes of the page. */
  putLast(item) {
    return this.put({ ...item, run: LATER, place: 0 });
  }

  note(text) {
    const last = this.items.findLast(item => item.run !== LATER);
    return this.put({ kind: 'note', text, run: last?.run ?? this.run, place: last?.place ?? this.offset });
  }

  remove(item) {
    this.items = this.items.filter(other => other !== item);
  }

  /** Gives what was on its way its place. In direct messages that is the order in which they come. */
  settle(item, { offset, time = item.time }) {
    this.remove(item);
    const last = this.items.findLast(other => other.run !== LATER);
    const place = this.direct ? Math.max(time, last?.place ?? 0) : offset;
    Object.assign(item, { offset, time, place, state: undefined, run: this.direct ? 0 : this.run });
    if (!this.direct) this.#learn(offset);
    return this.put(item);
  }

  #settle({ type, from, text, id, time }, offset) {
    const waiting = id && this.items.findLast(item => item.id === id && item.from === from && item.run === LATER);
    if (waiting) return this.settle(waiting, { offset, time });
    const place = this.direct ? time : offset;
    return this.put({ kind: type, from, text, id, time, offset, place, run: this.direct ? 0 : this.run });
  }

  #learn(offset) {
    const key = `${this.epoch}:${offset}`;
    return !this.#known.has(key) && Boolean(this.#known.add(key));
  }

  isUnread(offset) {
    const read = store.read[this.key];
    return !read || read.epoch !== this.epoch || offset > read.offset;
  }

  markRead(offset = this.offset) {
    const changed = this.isUnread(offset) || this.unread;
    Object.assign(this, { unread: 0, mentioned: false });
    if (!changed) return false;
    store.read[this.key] = { epoch: this.epoch, offset };
    store.save('read');
    return true;
  }

  /** Forgets the oldest entries of a long conversation. */
  trim() {
    if (this.items.length <= MOST) return;
    for (const { offset } of this.items.splice(0, this.items.length - MOST * 0.8)) {
      this.#known.delete(`${this.epoch}:${offset}`);
    }
    this.complete = false;
  }
}
