// The field in which messages are written, and the commands that can be written in it.

const field = document.querySelector('#text');
const form = document.querySelector('#compose');

/** The most bytes of a message that the server takes unless it is told otherwise. */
const LONGEST = 16 * 1024;
const MOST_ROWS = 8;

const fit = () => {
  field.rows = Math.min(MOST_ROWS, field.value.split('\n').length);
};

/** Returns why a name cannot be one, or nothing. */
export const wrongName = name => {
  if (!name) return 'A name has at least one character.';
  const found = [...name].find(character => !/[\p{L}\p{N}\p{Alphabetic}_.-]/u.test(character));
  return found && `There is “${found}” in it: use letters, digits, “-”, “_” and “.”.`;
};

export class Compose {
  #room = null;

  /** `actions` has the methods `help()` and `page(direction)`. */
  constructor(chat, actions) {
    this.chat = chat;
    this.actions = actions;
    form.addEventListener('submit', event => {
      event.preventDefault();
      this.#send();
    });
    field.addEventListener('input', () => {
      fit();
      if (field.value.trim() && !field.value.startsWith('/')) this.chat.type(this.#room);
    });
    field.addEventListener('keydown', event => this.#key(event));
  }

  /** Shows the draft of a conversation. */
  show(room) {
    field.disabled = !room;
    if (room === this.#room) return;
    if (this.#room) this.#room.draft = field.value;
    this.#room = room;
    field.value = room?.draft ?? '';
    field.placeholder = !room ? '' : room.direct ? `Write to ${room.title}` : `Write to #${room.title}`;
    fit();
  }

  focus() {
    field.focus();
  }

  #key(event) {
    // Enter that chooses a word of an input method sends nothing.
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      this.#send();
    } else if (event.key === 'PageUp' || event.key === 'PageDown') {
      event.preventDefault();
      this.actions.page(event.key === 'PageUp' ? -1 : 1);
    }
  }

  #send() {
    const text = field.value.trim();
    if (!this.#room || !text) return;
    // A command may bring another conversation with its draft.
    field.value = '';
    if (!this.#act(text)) field.value = text;
    fit();
  }

  /** Says a text, or carries a command out. Returns whether the text was used. */
  #act(text) {
    const room = this.#room;
    const [, command, rest] = text.match(/^\/(\w+|\?)(?:\s+([\s\S]*))?$/) ?? [];
    if (text.startsWith('//')) return this.#say(text.slice(1));
    if (!text.startsWith('/') || command === 'me' && rest) return this.#say(text);
    switch (command) {
      case 'join':
        return this.#join(rest);
      case 'leave':
        this.chat.leave(room);
        return true;
      case 'topic':
        if (room.direct) return this.#wrong('A direct message has no topic.');
        this.chat.topic(room, rest ?? '');
        return true;
      case 'msg':
        return this.#tell(rest);
      case 'help':
      case '?':
        this.actions.help();
        return true;
      default:
        return this.#wrong(`“${text.split(/\s/)[0]}” is no command. For a message that begins with a slash, write two.`);
    }
  }

  #say(text) {
    if (new TextEncoder().encode(text).length > LONGEST) {
      return this.#wrong(`This is too long: a message has at most ${LONGEST / 1024} KiB.`);
    }
    this.chat.say(this.#room, text);
    return true;
  }

  #join(name = '') {
    const room = name.replace(/^#/, '');
    const wrong = wrongName(room);
    if (wrong) return this.#wrong(wrong);
    this.chat.join(room);
    return true;
  }

  #tell(rest = '') {
    const [, nick, text] = rest.match(/^@?(\S+)\s+([\s\S]+)$/) ?? [];
    if (!nick || wrongName(nick)) return this.#wrong('Write “/msg name text”.');
    this.chat.talk(nick);
    this.chat.say(this.chat.active, text);
    return true;
  }

  #wrong(text) {
    this.#room.note(text);
    this.chat.view.changed();
    return false;
  }
}
