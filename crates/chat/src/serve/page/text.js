// Texts of people, as elements. They are made of text nodes and links: nothing in a message is ever HTML.

export const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

const LINK = /https?:\/\/[^\s<>"'`]+/giu;
const AT_END = '.,;:!?…';

/** Returns an address without the punctuation behind it. Looks at each character twice at most. */
const trim = address => {
  let open = 0;
  for (const it of address) open += it === '(' ? 1 : it === ')' ? -1 : 0;
  let end = address.length;
  for (; end > 0; end--) {
    const last = address[end - 1];
    // A closing parenthesis is the link's if it is opened in it.
    if (last === ')' && open < 0) open++;
    else if (!AT_END.includes(last)) break;
  }
  return address.slice(0, end);
};

const anchor = text => {
  const address = URL.parse ? URL.parse(text) : URL.canParse?.(text) && new URL(text);
  if (!address || !['http:', 'https:'].includes(address.protocol)) return text;
  return element('a', { href: address.href, target: '_blank', rel: 'noopener noreferrer nofollow' }, text);
};

/** Returns the nodes of a text, with links where there are addresses. */
export const linked = text => {
  const nodes = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(LINK)) {
    const address = trim(found);
    nodes.push(text.slice(end, index), anchor(address));
    end = index + address.length;
  }
  return [...nodes, text.slice(end)];
};

/** Returns a hue of its own for a name: 0 to 359. */
export const hue = name => {
  let hash = 2166136261;
  for (const character of name.toLowerCase()) {
    hash = Math.imul(hash ^ character.codePointAt(0), 16777619);
  }
  return ((hash >>> 0) * 137.508) % 360;
};

/** Returns a name in its own colour. */
export const named = name => {
  const made = element('bdi', { className: 'name', textContent: name });
  made.style.setProperty('--hue', hue(name).toFixed());
  return made;
};

/** Returns whether a text names somebody. */
export const mentions = (text, name) => {
  if (!name) return false;
  const escaped = name.replaceAll('.', '\\.');
  return new RegExp(`(?<![\\p{L}\\p{N}_.-])${escaped}(?![\\p{L}\\p{N}_-])`, 'iu').test(text);
};

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const dayOfYear = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

export const timeOf = time =>
  element('time', { dateTime: new Date(time).toISOString(), title: full.format(time) }, clock.format(time));

/** Returns the day of a time, as a key and as words. */
export const dayOf = time => {
  const date = new Date(time);
  const same = other => date.toDateString() === new Date(other).toDateString();
  const words =
    same(Date.now()) ? 'Today'
    : same(Date.now() - 86_400_000) ? 'Yesterday'
    : date.getFullYear() === new Date().getFullYear() ? day.format(date)
    : dayOfYear.format(date);
  return { key: date.toDateString(), words };
};
