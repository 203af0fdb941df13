// What outlives a reload. Of this tab: the session and what is not acknowledged. Of this browser: the name, the
// rooms, and what was read.

const get = (storage, key, otherwise) => {
  try {
    return JSON.parse(storage.getItem(`chat.${key}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
};

const set = (storage, key, value) => {
  try {
    storage.setItem(`chat.${key}`, JSON.stringify(value));
  } catch {
    // Storage is full or forbidden: the page works without it until it is closed.
  }
};

// Also where `crypto.randomUUID` is missing: on pages without TLS.
export const random = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
};

export const store = {
  session: get(sessionStorage, 'session', null) ?? random(),
  token: get(sessionStorage, 'token', null),
  /** Messages that the server has not acknowledged. */
  unsaid: get(sessionStorage, 'unsaid', []),
  /** Direct messages of this session's own, which the server tells their receiver only. */
  told: get(sessionStorage, 'told', []),
  /** Of this tab first: two tabs may have two names. */
  name: get(sessionStorage, 'name', get(localStorage, 'name', '')),
  rooms: get(localStorage, 'rooms', []),
  active: get(sessionStorage, 'active', null),
  /** By conversation: the newest entry that was read, `{epoch, offset}`. */
  read: get(localStorage, 'read', {}),

  save(...keys) {
    for (const key of keys) {
      if (!['rooms', 'read'].includes(key)) set(sessionStorage, key, this[key]);
      if (['name', 'rooms', 'read'].includes(key)) set(localStorage, key, this[key]);
    }
  },

  /** Another name is another user: nothing of the session is its. */
  rename(name) {
    if (name.toLowerCase() !== this.name.toLowerCase()) {
      Object.assign(this, { session: random(), unsaid: [], told: [] });
    }
    this.name = name;
    this.save('name', 'session', 'unsaid', 'told');
  },
};

const MOST_TOLD = 200;

export const keepTold = message => {
  store.told = [...store.told, message].slice(-MOST_TOLD);
  store.save('told');
};

// `#room=tea&name=ann&token=…`: the token is taken out of the address, which people copy.
const fragment = new URLSearchParams(location.hash.slice(1));
if (fragment.has('token')) store.token = fragment.get('token');
if (fragment.has('name')) store.rename(fragment.get('name'));
if (fragment.has('room')) store.active = fragment.get('room');
if (location.hash) history.replaceState(null, '', location.pathname + location.search);
if (store.active && !store.active.startsWith('@') && !store.rooms.includes(store.active)) {
  store.rooms.push(store.active);
}
store.save('session', 'token');
