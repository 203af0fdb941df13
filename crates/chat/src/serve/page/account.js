// A name that is kept by a password.

const $ = selector => document.querySelector(selector);

export class Account {
  #wanted = '';

  constructor(chat) {
    this.chat = chat;
    $('#keep').addEventListener('click', () => this.#ask());
    $('#keep-dialog form').addEventListener('submit', event => {
      event.preventDefault();
      this.#keep();
    });
    $('#keep-dialog').addEventListener('close', () => ($('#keep-old').value = $('#keep-new').value = ''));
  }

  /** Shows what can be done: nothing where the server keeps no passwords. */
  show() {
    const { registered } = this.chat;
    $('#keep').hidden = registered === undefined;
    $('#keep').textContent = registered ? 'Change password' : 'Keep this name';
  }

  /** Takes the answer of the server. */
  kept() {
    this.chat.password = this.#wanted;
    $('#keep-dialog').close();
    this.chat.active?.note(`The name ${this.chat.me} is yours, by this password.`);
  }

  /** Takes what is wrong, if it is about the password. */
  failed(text) {
    if ($('#keep-dialog').open) $('#keep-error').textContent = text;
    return $('#keep-dialog').open;
  }

  #ask() {
    const { registered } = this.chat;
    $('#keep-title').textContent = registered ? 'Change your password' : 'Keep this name';
    $('#keep-old').parentNode.hidden = !registered;
    $('#keep-old').required = registered;
    $('#keep-error').textContent = '';
    $('#keep-dialog').showModal();
  }

  #keep() {
    const [old, password] = [$('#keep-old').value, $('#keep-new').value];
    this.#wanted = password;
    $('#keep-error').textContent = '';
    const { link, registered } = this.chat;
    if (link.state !== 'open') return this.failed('There is no connection: try again when it is back.');
    link.send(registered ? { type: 'password', old, new: password } : { type: 'register', password });
  }
}
