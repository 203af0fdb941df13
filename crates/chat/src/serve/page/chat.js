// The page of a chat: puts its parts together.

import { Account } from './account.js';
import { Compose, wrongName } from './compose.js';
import { showConversations, showMembers, showTyping } from './lists.js';
import { LogView } from './log.js';
import { store } from './store.js';
import { element } from './text.js';
import { Chat } from './updates.js';

const $ = selector => document.querySelector(selector);
const FIRST_ROOM = 'lobby';

// Browsers tell of every update; the page is drawn once for all of them. Hidden pages are not asked to draw.
let drawing = false;
const changed = () => {
  if (drawing) return;
  drawing = true;
  if (document.hidden) setTimeout(draw, 0);
  else requestAnimationFrame(draw);
};

const sees = room => room === chat.active && !document.hidden && document.hasFocus() && log.atEnd;

const selected = room => compose.show(room);

const kept = () => account.kept();
const chat = new Chat({ changed, sees, selected, state: showState, refused, failed, kept });
const account = new Account(chat);
const log = new LogView(chat);
const compose = new Compose(chat, { help: () => $('#help-dialog').showModal(), page: direction => log.page(direction) });

function draw() {
  drawing = false;
  const room = chat.active;
  log.show(room);
  if (room && sees(room)) room.markRead();
  compose.show(room);
  account.show();
  showConversations(chat, choose);
  showMembers(chat, talk);
  showTyping(room);
  if (chat.link.state === 'open') {
    $('#state').hidden = chat.keeps;
    $('#state-text').textContent = 'Messages are passed on now, and kept later.';
  }
  $('#title').textContent = room ? (room.direct ? room.title : `#${room.title}`) : 'Switchboard chat';
  $('#topic').textContent = $('#topic').title = room?.topic ?? '';
  $('#me').textContent = chat.me || store.name;
  const unread = chat.order().reduce((sum, room) => sum + room.unread, 0);
  document.title = `${unread ? `(${unread}) ` : ''}${room ? `${room.title} · ` : ''}Switchboard chat`;
  listRooms();
}

function choose(room) {
  chat.select(room);
  closeDrawers();
  compose.focus();
}

function talk(nick) {
  chat.talk(nick);
  closeDrawers();
  compose.focus();
}

function failed(text, room) {
  if (account.failed(text)) return;
  if ($('#join-dialog').open) $('#join-error').textContent = text;
  const shown = room?.joined ? room : chat.active;
  shown?.note(text);
}

// The connection.

let countdown = 0;

function showState(state, { text = '', offline = false, until = 0, code = 0 } = {}) {
  clearInterval(countdown);
  document.body.dataset.state = state;
  $('#dot').className = `dot ${state === 'open' ? 'here' : 'gone'}`;
  $('#way').textContent = state === 'open' && chat.link.way ? `by ${chat.link.way}` : '';
  const ended = state === 'ended';
  // Who is not let in is asked for another name.
  if (ended && (code === 4500 || code === 4501)) return askName(text, true);
  $('#state').hidden = !(state === 'waiting' || ended && text) && (state !== 'connecting' || $('#state').hidden);
  $('#state-act').hidden = !(state === 'waiting' || ended);
  $('#state-act').textContent = code === 4502 ? 'Use it here' : 'Connect now';
  $('#state-wait').textContent = '';
  if (state === 'connecting') $('#state-text').textContent = 'Connecting …';
  if (ended) $('#state-text').textContent = `Disconnected: ${text}.`;
  if (state === 'waiting') {
    // An answer that was waited for does not come.
    account.failed('There is no connection: try again when it is back.');
    $('#state-text').textContent =
      offline || !navigator.onLine ? 'There is no network.' : `The connection is lost${text && `: ${text}`}.`;
    const tell = () => {
      const seconds = Math.ceil((until - Date.now()) / 1000);
      $('#state-wait').textContent = seconds > 1 ? `Next try in ${seconds} s.` : '';
    };
    tell();
    countdown = setInterval(tell, 1000);
  }
  changed();
}

$('#state-act').addEventListener('click', () => chat.link.connect());

// The name.

let named = Boolean(store.name);

function refused(text, code) {
  askName(text, false, code === 'password_needed' || code === 'wrong_password');
}

function askName(why = '', token = false, password = false) {
  named = false;
  chat.link.end();
  $('#state').hidden = true;
  $('#name').value = store.name;
  $('#token').value = $('#password').value = '';
  $('#password').parentNode.hidden = !password;
  $('#token-details').open = token;
  $('#name-error').textContent = why;
  if (!$('#name-dialog').open) $('#name-dialog').showModal();
  $(token ? '#token' : password ? '#password' : '#name').select();
}

$('#name-dialog').addEventListener('cancel', event => named || event.preventDefault());
$('#name-dialog').addEventListener('close', () => {
  if (chat.link.state !== 'ended') return;
  if (chat.active) chat.link.connect();
  else chat.start();
});
$('#name-dialog form').addEventListener('submit', event => {
  event.preventDefault();
  const name = $('#name').value.trim();
  const wrong = wrongName(name);
  $('#name-error').textContent = wrong ?? '';
  if (wrong) return;
  const other = chat.me && name.toLowerCase() !== store.name.toLowerCase();
  store.rename(name);
  chat.password = $('#password').value || undefined;
  if ($('#token').value.trim()) store.token = $('#token').value.trim();
  store.save('token');
  named = true;
  // What was shown is another user's.
  if (other) return location.reload();
  $('#name-dialog').close();
  compose.focus();
});
$('#me').addEventListener('click', () => {
  askName();
  named = true;
});

// Entering rooms.

function listRooms() {
  const list = $('#open-rooms');
  const others = chat.listed.filter(({ room }) => !chat.rooms.get(room)?.joined);
  if (!$('#join-dialog').open || list.listed === chat.listed) return;
  list.listed = chat.listed;
  list.replaceChildren(...others.map(({ room, count }) =>
    element('li', {}, element('button', { type: 'button', onclick: () => enter(room) },
      element('bdi', {}, `#${room}`), element('span', { className: 'muted' }, ` ${count}`)))));
}

function enter(name) {
  const wrong = wrongName(name);
  $('#join-error').textContent = wrong ?? '';
  if (wrong) return;
  $('#join-dialog').close();
  chat.join(name);
  closeDrawers();
  compose.focus();
}

$('#join').addEventListener('click', () => {
  $('#join-error').textContent = $('#room').value = '';
  chat.listRooms();
  $('#join-dialog').showModal();
});
$('#join-dialog form').addEventListener('submit', event => {
  event.preventDefault();
  enter($('#room').value.trim().replace(/^#/, ''));
});

// Drawers, on narrow screens.

const OPENERS = { side: $('#show-side'), members: $('#show-members') };

function closeDrawers() {
  for (const [name, opener] of Object.entries(OPENERS)) {
    $(`#${name}`).classList.remove('open');
    opener.ariaExpanded = 'false';
  }
  $('#shade').hidden = true;
}

for (const [name, opener] of Object.entries(OPENERS)) {
  opener.addEventListener('click', () => {
    const drawer = $(`#${name}`);
    drawer.classList.add('open');
    opener.ariaExpanded = 'true';
    $('#shade').hidden = false;
    (drawer.querySelector('[aria-current]') ?? drawer.querySelector('button'))?.focus();
  });
}
$('#shade').addEventListener('click', closeDrawers);

// Keys.

function step(by) {
  const order = chat.order();
  const at = order.indexOf(chat.active);
  if (order.length) choose(order[(at + by + order.length) % order.length]);
}

addEventListener('keydown', event => {
  const { key, altKey, ctrlKey, metaKey, target } = event;
  if (document.querySelector('dialog[open]')) return;
  if (altKey && (key === 'ArrowUp' || key === 'ArrowDown')) {
    event.preventDefault();
    step(key === 'ArrowUp' ? -1 : 1);
  } else if (key === 'Escape') {
    const drawer = document.querySelector('.drawer.open');
    closeDrawers();
    if (drawer) return OPENERS[drawer.id].focus();
    log.toEnd();
    compose.focus();
  } else if (key === '?' && !ctrlKey && !metaKey && !target.matches('input, textarea')) {
    event.preventDefault();
    $('#help-dialog').showModal();
  }
});
$('#help').addEventListener('click', () => $('#help-dialog').showModal());
for (const close of document.querySelectorAll('[data-close]')) {
  close.addEventListener('click', () => close.closest('dialog').close());
}
addEventListener('focus', changed);
document.addEventListener('visibilitychange', changed);

if (!store.rooms.length) store.rooms.push(FIRST_ROOM);
if (named) chat.start();
else askName();
