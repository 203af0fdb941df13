// What the server tells, and what it is asked: the conversations of one user.

import { Link } from './link.js';
import { Room } from './room.js';
import { keepTold, random, store } from './store.js';

const TYPING_EVERY = 2000;
const TYPING_LASTS = 5000;
/** A message that is not acknowledged for so long makes the connection doubtful. */
const DOUBT = 10_000;

const direct = nick => `@${nick.toLowerCase()}`;

export class Chat {
  rooms = new Map();
  active = null;
  me = '';
  /** Whether the name has a password; undefined where it can have none. */
  registered = undefined;
  /** Kept in memory alone: a reload goes on with the session. */
  password = undefined;
  /** The rooms that the server has. */
  listed = [];
  /** Whether the server can keep what is said. */
  keeps = true;
  #inbox = { epoch: null, offset: 0, earlier: 0 };
  #typed = 0;
  /** The rooms that are entered next. */
  #next = [];
  /** Questions for no entries that are not answered yet. */
  #probes = 0;

  /** `view` has the methods `changed()`, `sees(room)`, `selected(room)`, `state(state, detail)`, `refused(why, code)`, `failed(text, room)`, `kept()`. */
  constructor(view) {
    this.view = view;
    this.link = new Link({
      open: () => this.#hello(),
      update: update => this.#told(update),
      lost: () => this.#lost(),
      probe: () => this.#probe(),
      state: (state, detail) => view.state(state, detail),
    });
  }

  /** Begins, with the name and the rooms that are remembered. */
  start() {
    for (const name of store.rooms) this.#room(name);
    for (const told of store.told) {
      this.#room(direct(told.to), told.to).put({ ...told, kind: 'message', run: 0, place: told.time });
    }
    for (const message of store.unsaid) {
      const { key, title } = message;
      this.#room(key, title).putLast({ ...message, kind: 'message', state: 'sending' });
    }
    if (store.active?.startsWith('@')) this.#room(store.active, store.active.slice(1));
    this.select(this.rooms.get(store.active) ?? this.order()[0]);
    this.link.connect();
  }

  /** The conversations, as they are listed. */
  order() {
    const all = [...this.rooms.values()];
    return [...all.filter(room => !room.direct), ...all.filter(room => room.direct)];
  }

  select(room) {
    if (!room || room === this.active) return;
    if (this.active) this.active.fresh = null;
    this.active = room;
    store.active = room.key;
    store.save('active');
    this.view.selected(room);
    this.view.changed();
  }

  join(name) {
    const room = this.#room(name);
    if (!store.rooms.includes(name)) {
      store.rooms.push(name);
      store.save('rooms');
    }
    if (!room.joined) this.link.send({ type: 'join', room: name });
    this.select(room);
  }

  /** Begins a conversation with one user. */
  talk(nick) {
    this.select(this.#room(direct(nick), nick));
  }

  leave(room) {
    if (room.joined && !room.direct) this.link.send({ type: 'leave', room: room.key });
    const order = this.order();
    const at = order.indexOf(room);
    this.rooms.delete(room.key);
    this.#next = this.#next.filter(other => other !== room);
    store.rooms = store.rooms.filter(name => name !== room.key);
    store.unsaid = store.unsaid.filter(message => message.key !== room.key);
    store.told = store.told.filter(message => direct(message.to) !== room.key);
    store.save('rooms', 'unsaid', 'told');
    if (room === this.active) this.active = null;
    this.select(order[at + 1] ?? order[at - 1]);
    this.view.changed();
  }

  say(room, text) {
    const message = { key: room.key, title: room.title, from: this.me, text, id: random(), time: Date.now() };
    store.unsaid.push(message);
    store.save('unsaid');
    room.putLast({ ...message, kind: 'message', state: 'sending' });
    if (room.unread === 0) room.fresh = null;
    this.#send(message);
    this.#doubt(message.id);
    this.view.changed();
  }

  topic(room, text) {
    this.link.send({ type: 'topic', room: room.key, text });
  }

  /** Tells the others that something is being written. */
  type(room) {
    if (room.direct || !room.joined || Date.now() - this.#typed < TYPING_EVERY) return;
    this.#typed = Date.now();
    this.link.sendPassing({ type: 'typing', room: room.key });
  }

  retry(item) {
    item.state = 'sending';
    const message = store.unsaid.find(({ id }) => id === item.id);
    if (message) this.#send(message);
    this.view.changed();
  }

  discard(room, item) {
    room.remove(item);
    this.#acknowledged(item.id);
    this.view.changed();
  }

  /** Asks for what is before the oldest entry, or in a gap. */
  older(room, gap) {
    const question = this.link.state === 'open' && room.ask(gap);
    if (question) this.link.send(question);
    return Boolean(question);
  }

  listRooms() {
    this.link.sendPassing({ type: 'rooms' });
  }

  /** Returns `here` or `away` if any room tells, of somebody who is there. */
  presence(nick) {
    const states = [...this.rooms.values()].map(room => room.members.get(nick));
    return states.find(state => state === 'here') ?? states.find(Boolean);
  }

  #room(key, title = key) {
    if (!this.rooms.has(key)) this.rooms.set(key, new Room(key, title));
    return this.rooms.get(key);
  }

  #hello() {
    const { name: nick, session, token } = store;
    const { epoch, offset } = this.#inbox;
    const inbox = offset ? { epoch, offset } : undefined;
    this.link.send({ type: 'hello', nick, password: this.password, session, token: token ?? undefined, inbox });
  }

  #lost() {
    this.#probes = 0;
    this.#next = [];
    for (const room of this.rooms.values()) Object.assign(room, { joined: false, asked: null });
    for (const room of this.rooms.values()) room.typing.clear();
    this.view.changed();
  }

  /** Any answer will do; this is the cheapest one. */
  #probe() {
    const room = this.order().find(room => room.joined);
    if (room) this.#probes += 1;
    this.link.send(room ? { type: 'history', room: room.key, limit: 0 } : { type: 'rooms' });
  }

  #doubt(id) {
    setTimeout(() => store.unsaid.some(message => message.id === id) && this.link.probe(), DOUBT);
  }

  #send({ key, title, text, id }) {
    const room = this.rooms.get(key);
    if (this.link.state !== 'open' || !(room.direct || room.joined)) return;
    this.link.send(room.direct ? { type: 'tell', to: title, text, id } : { type: 'say', room: key, text, id });
  }

  /** Sends again what was not acknowledged, in its order. */
  #resend(meant) {
    for (const message of store.unsaid) {
      const room = this.rooms.get(message.key);
      const item = room.items.findLast(({ id }) => id === message.id);
      // What the server did not keep, it may keep now; what it refuses, it refuses again.
      if (!meant(room) || item?.state === 'failed' && item.code !== 'not_kept') continue;
      if (item) item.state = 'sending';
      this.#send(message);
    }
  }

  #acknowledged(id) {
    store.unsaid = store.unsaid.filter(message => message.id !== id);
    store.save('unsaid');
  }

  #told(update) {
    const room = this.rooms.get(update.room);
    const inbox = update.room?.startsWith('@');
    switch (update.type) {
      case 'welcome':
        this.#welcome(update);
        break;
      case 'joined':
        if (inbox) {
          this.#enterInbox(update);
        } else {
          if (room) this.#enter(room, update);
          this.#enterNext();
        }
        break;
      case 'message':
      case 'topic':
        this.#entry(inbox ? null : room, update);
        break;
      case 'registered':
        // The one before is over.
        if (update.session) store.session = update.session;
        store.save('session');
        this.registered = true;
        this.view.kept();
        break;
      case 'said':
        this.#said(update);
        break;
      case 'queued':
        this.#mark(update.id, { state: 'queued' });
        break;
      case 'error':
        this.#error(update);
        break;
      case 'status':
        this.keeps = update.store !== 'away';
        break;
      case 'rooms':
        this.listed = update.rooms;
        break;
      case 'gap':
        if (inbox) this.#inboxGap(update);
        else if (room) this.#gap(room, update);
        break;
      default:
        if (room) this.#ofRoom(room, update);
    }
    this.view.changed();
  }

  #ofRoom(room, update) {
    const { nick, state, count } = update;
    if (update.type === 'presence') {
      room.count = count;
      if (state === 'gone') room.members.delete(nick);
      else room.members.set(nick, state);
      if (state !== 'here') room.typing.delete(nick);
    } else if (update.type === 'typing') {
      clearTimeout(room.typing.get(nick));
      const over = () => room.typing.delete(nick) && this.view.changed();
      room.typing.set(nick, setTimeout(over, TYPING_LASTS));
    } else if (update.type === 'members') {
      room.people(update.members, count);
    } else if (update.type === 'history') {
      if (this.#probes && !update.messages.length) this.#probes -= 1;
      else if (room.asked) room.older(update);
    }
  }

  #welcome({ nick, session, registered }) {
    this.registered = registered;
    this.me = nick;
    this.keeps = true;
    Object.assign(store, { name: nick, session });
    store.save('name', 'session');
    this.link.welcomed();
    // What the user looks at comes first.
    const rooms = this.order().filter(room => !room.direct);
    rooms.sort((a, b) => (b === this.active) - (a === this.active));
    this.#next = rooms;
    this.#enterNext();
    this.#resend(room => room.direct);
  }

  /** Enters one more room, once there is an answer for the last: what was missed of all may be more than may wait. */
  #enterNext() {
    const room = this.#next.shift();
    if (room) this.link.send({ type: 'join', room: room.key, since: room.since() });
  }

  #enter(room, update) {
    room.enter(update);
    this.#resend(other => other === room);
  }

  #enterInbox({ epoch, offset, recovered }) {
    const inbox = this.#inbox;
    if (inbox.epoch !== null && recovered === false) this.#inboxGap({});
    if (inbox.epoch !== epoch) Object.assign(inbox, { epoch, offset: 0 });
    inbox.earlier = recovered === undefined ? offset : 0;
  }

  #entry(room, update) {
    if (room) {
      const seen = this.view.sees(room);
      if (update.pending) room.takePending(update, this.me, seen);
      else room.take(update, this.me, seen);
      if (update.from === this.me && !update.pending) this.#acknowledged(update.id);
      // Who reads what is old keeps it.
      if (room !== this.active || seen) room.trim();
      return;
    }
    const inbox = this.#inbox;
    if (!update.room.startsWith('@') || update.offset <= inbox.offset) return;
    const { from } = update;
    const conversation = this.#room(direct(from), from);
    const seen = this.view.sees(conversation);
    if (update.pending) return conversation.takePending(update, this.me, seen);
    inbox.offset = update.offset;
    conversation.takeDirect(update, this.me, seen, inbox.epoch, update.offset <= inbox.earlier);
  }

  #said({ id, offset, room: name }) {
    const message = store.unsaid.find(message => message.id === id);
    if (!message) return;
    this.#acknowledged(id);
    const room = this.rooms.get(message.key);
    const item = room?.items.findLast(item => item.id === id);
    if (item && item.offset === undefined) room.settle(item, { offset, time: Date.now() });
    // To oneself it comes back by the inbox.
    if (room?.direct && name !== direct(this.me)) {
      keepTold({ to: room.title, from: message.from, text: message.text, id, offset, time: Date.now() });
    }
  }

  #gap(room, { from, to }) {
    room.lack(from, to);
    // Presence may have been missed with the entries.
    this.link.send({ type: 'who', room: room.key });
  }

  /** Of direct messages nobody can tell whose are missing. */
  #inboxGap({ to }) {
    if (to) this.#inbox.offset = Math.max(this.#inbox.offset, to);
    for (const conversation of this.rooms.values()) {
      const last = conversation.items.findLast(item => item.offset)?.place;
      if (conversation.direct && last) conversation.put({ kind: 'missing', run: 0, place: last });
    }
  }

  /** Changes the state of a message of this user's that is on its way. */
  #mark(id, change) {
    const message = store.unsaid.find(message => message.id === id);
    const item = this.rooms.get(message?.key)?.items.findLast(item => item.id === id);
    if (item) Object.assign(item, change);
    return Boolean(item);
  }

  #error({ code, text, room: name, id }) {
    if (this.link.state !== 'open') return this.view.refused(text, code);
    if (id && this.#mark(id, { state: 'failed', why: text, code })) return;
    const room = this.rooms.get(name);
    if (code === 'not_a_member' && room) return this.link.send({ type: 'join', room: name, since: room.since() });
    this.view.failed(text, room);
    if (room?.joined) return;
    if (room) this.leave(room);
    this.#enterNext();
  }
}
