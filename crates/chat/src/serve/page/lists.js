// The lists beside the messages: conversations and members.

import { element, named } from './text.js';

const $ = selector => document.querySelector(selector);
const MOST_COUNTED = 99;

const badge = room =>
  element('span', { className: room.mentioned ? 'count mentioned' : 'count' },
    element('span', { ariaHidden: 'true' }, room.unread > MOST_COUNTED ? `${MOST_COUNTED}+` : room.unread),
    element('span', { className: 'hidden' }, ` ${room.unread} unread`));

const dot = state =>
  element('span', { className: `dot ${state ?? 'gone'}`, title: { here: 'here', away: 'away' }[state] ?? 'not here' });

/** Replaces the items of a list, keeps the focus, and does nothing if they are the same. */
const fill = (list, signature, items) => {
  const text = JSON.stringify(signature);
  if (list.signature === text) return;
  list.signature = text;
  const focused = list.contains(document.activeElement) && document.activeElement.dataset.key;
  list.replaceChildren(...items().map(item => element('li', {}, item)));
  if (focused) list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
};

const keyed = (button, key) => {
  button.dataset.key = key;
  return button;
};

const button = (room, chat, choose) => {
  const children = room.direct
    ? [dot(chat.presence(room.title)), element('bdi', {}, room.title)]
    : [element('span', { className: 'hash', ariaHidden: 'true' }, '#'), element('bdi', {}, room.title)];
  const made = element('button', { type: 'button', onclick: () => choose(room) }, ...children);
  if (room.unread) made.append(badge(room));
  if (room === chat.active) made.ariaCurrent = 'true';
  made.classList.toggle('unread', room.unread > 0);
  return keyed(made, room.key);
};

export const showConversations = (chat, choose) => {
  for (const direct of [false, true]) {
    const rooms = chat.order().filter(room => room.direct === direct);
    const signature = rooms.map(room =>
      [room.key, room.unread, room.mentioned, room === chat.active, direct && chat.presence(room.title)]);
    fill($(direct ? '#direct' : '#rooms'), signature, () => rooms.map(room => button(room, chat, choose)));
    if (direct) $('#direct-title').parentNode.hidden = !rooms.length;
  }
  const elsewhere = chat.order().filter(room => room !== chat.active).reduce((sum, room) => sum + room.unread, 0);
  $('#elsewhere').hidden = !elsewhere;
  $('#elsewhere').textContent = elsewhere > MOST_COUNTED ? `${MOST_COUNTED}+` : elsewhere;
};

export const showMembers = (chat, talk) => {
  const room = chat.active;
  const none = !room || room.direct;
  document.body.classList.toggle('alone', none);
  const opener = $('#show-members');
  opener.hidden = none;
  if (none) return;
  $('#members-title').textContent = `Members · ${room.count}`;
  opener.textContent = `${room.count} ${room.count === 1 ? 'member' : 'members'}`;
  const people = [...room.members].sort(([a], [b]) => a.localeCompare(b));
  const more = room.count - people.length;
  fill($('#members-list'), [people, more, chat.me], () => [
    ...people.map(([nick, state]) => {
      const label = nick === chat.me ? element('span', { className: 'muted' }, ' you') : '';
      return keyed(element('button', { type: 'button', onclick: () => talk(nick) }, dot(state), named(nick), label), nick);
    }),
    ...(more > 0 ? [element('span', { className: 'muted' }, `and ${more} more`)] : []),
  ]);
};

export const showTyping = room => {
  const names = [...(room?.typing.keys() ?? [])];
  const line = $('#typing');
  if (line.dataset.names === names.join(' ')) return;
  line.dataset.names = names.join(' ');
  if (!names.length) return line.replaceChildren();
  if (names.length > 3) return line.replaceChildren('Several people are writing …');
  const listed = names.flatMap((name, at) => [at === 0 ? '' : at === names.length - 1 ? ' and ' : ', ', named(name)]);
  line.replaceChildren(...listed, names.length === 1 ? ' is writing …' : ' are writing …');
};
