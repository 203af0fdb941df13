// The page of `switchboard serve chat`, in Chromium. `SWITCHBOARD` names the command; `SHOTS` a folder for pictures.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test as unlimited } from 'node:test';
import { crowd, endAll, NARROW, People, Person, proxy, serve } from './support.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// A browser that has gone answers no more, and some of its calls have no limit of their own.
const LIMIT = { timeout: 150_000 };
const test = (what, body) => unlimited(what, LIMIT, body);

let server;
let people;
before(async () => ([server, people] = await Promise.all([serve(), People.start()])), LIMIT);
after(async () => {
  await endAll();
  await people?.close();
}, LIMIT);

const check = async person => {
  const { violations } = await person.page.evaluate(`${axe}; axe.run()`);
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  const told = serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('\n')}`);
  assert.deepEqual(told, []);
};

const fine = (...all) => all.forEach(({ name, wrong }) => assert.deepEqual(wrong, [], name));

test('two browsers talk', async () => {
  const ann = await people.open(server.url, 'ann');
  const bob = await people.open(server.url, 'bob');
  await ann.shows('#members-list', 'bob');
  await ann.says('Has anybody seen the kettle?');
  await bob.sees('Has anybody seen the kettle?');
  // It is shown for five seconds only.
  const writing = ann.shows('#typing', 'bob is writing');
  await bob.page.locator('#text').pressSequentially('It is at https://example.org/kettle_(blue).');
  await writing;
  await bob.page.press('#text', 'Shift+Enter');
  await bob.page.locator('#text').pressSequentially('Next to the tea.');
  await bob.page.press('#text', 'Enter');
  await ann.sees('Next to the tea.');
  const link = ann.page.locator('.text a');
  assert.equal(await link.getAttribute('href'), 'https://example.org/kettle_(blue)');
  assert.match(await link.getAttribute('rel'), /noopener/);
  assert.deepEqual(await ann.texts(), await bob.texts());
  await ann.says('/topic All about kettles');
  await bob.shows('#topic', 'All about kettles');

  await bob.says('/join coffee');
  await bob.shows('#title', '#coffee');
  await ann.says('Thank you, bob!');
  await bob.shows('#rooms .count.mentioned', '1');
  await bob.page.waitForFunction('document.title.startsWith("(1) ")');
  await bob.page.keyboard.press('Alt+ArrowDown');
  await bob.sees('Thank you, bob!');
  await bob.shows('.line.fresh', 'New');
  await bob.page.waitForFunction('!document.title.startsWith("(")');

  await bob.page.locator('#members-list button', { hasText: 'ann' }).click();
  await bob.says('Only for you.');
  await bob.sees('Only for you.');
  await ann.goes('bob');
  await ann.sees('Only for you.');
  await ann.says('Thank you.');
  await bob.sees('Thank you.');
  // What was said is there again after a reload, also what the server tells the receiver only.
  await bob.page.reload();
  await bob.sees('Thank you.');
  assert.deepEqual(await bob.texts(), ['Only for you.', 'Thank you.']);
  // Each conversation keeps its draft, and what is typed goes where it was chosen to.
  await bob.page.fill('#text', 'a draft');
  await bob.goes('lobby');
  await bob.page.locator('#text').pressSequentially('quick\n');
  await ann.goes('lobby');
  await ann.sees('quick');
  await bob.says('/msg ann Still there?');
  await ann.shows('#direct .count', '1');
  await bob.goes('ann');
  assert.equal(await bob.page.inputValue('#text'), 'a draft');
  fine(ann, bob);
});

test('a script in a message does nothing', async () => {
  const script = '<script>alert(1)</script><img src=x onerror=alert(1)>';
  const eve = await people.open(server.url, 'eve');
  const dan = await people.open(server.url, 'dan');
  const addresses = 'javascript:alert(1) and https://example.org/"onclick="alert(1)';
  // Looked at again for each character of its end, it would hold the page for minutes.
  const endless = `http://a${'.'.repeat(7000)}x${')'.repeat(7000)}`;
  for (const text of [endless, script, addresses, `/topic ${script}`]) await eve.says(text);
  await dan.sees(script);
  await dan.shows('#topic', script);
  assert.equal(await dan.page.locator('main img, main script').count(), 0);
  const links = await dan.page.locator('.text a').evaluateAll(all => all.map(link => link.href));
  assert(links.every(href => /^https?:/.test(href)), links);
  fine(eve, dan);
});

test('the policy allows this origin alone', async () => {
  const response = await fetch(server.url);
  assert.match(response.headers.get('content-security-policy'), /^default-src 'none'; script-src 'self'; style-src 'self';/);
  const kim = await people.open(server.url, 'kim');
  const ran = await kim.page.evaluate(() => {
    const script = document.createElement('script');
    try {
      script.textContent = 'window.ran = true';
    } catch {
      // Trusted types refuse the text already.
    }
    document.body.append(script);
    return Boolean(window.ran);
  });
  assert.equal(ran, false);
});

test('a browser without a network catches up', async () => {
  const fay = await people.open(server.url, 'fay');
  const gus = await people.open(server.url, 'gus');
  for (const person of [fay, gus]) await person.says('/join train');
  await fay.says('before');
  await gus.sees('before');
  await fay.page.context().setOffline(true);
  await fay.shows('#state', 'There is no network');
  await fay.says('from the tunnel');
  await fay.shows('.sending', 'from the tunnel');
  await fay.shot('offline');
  await gus.shows('#members-list [title=away]', '');
  for (const text of ['one', 'two', 'three']) await gus.says(text);
  await gus.sees('three');
  await fay.page.context().setOffline(false);
  await fay.sees('from the tunnel');
  await gus.sees('from the tunnel');
  const expected = ['before', 'one', 'two', 'three', 'from the tunnel'];
  assert.deepEqual(await fay.texts(), expected);
  assert.deepEqual(await gus.texts(), expected);
  assert.equal(await fay.page.locator('.missing').count(), 0);
  assert(await fay.page.locator('#state').isHidden());
  fine(fay, gus);
});

for (const [way, ...blocked] of [['events'], ['polling', '/events']]) {
  test(`where WebSocket is blocked, the page talks by ${way}`, async () => {
    const between = await proxy(server.url, ...blocked);
    const uma = await people.open(between.url, `uma-${way}`);
    const vic = await people.open(server.url, `vic-${way}`);
    await uma.shows('#way', `by ${way}`);
    assert.equal(await vic.page.textContent('#way'), '');
    for (const person of [uma, vic]) await person.says(`/join ${way}`);
    await uma.says('hello');
    await vic.sees('hello');
    await vic.says('welcome');
    await uma.sees('welcome');
    await uma.shot(way);
    await check(uma);
    const expected = ['hello', 'welcome'];
    for (let number = 1; number <= 20; number += 1) {
      const [speaker, hearer] = number % 2 ? [uma, vic] : [vic, uma];
      await speaker.says(`number ${number}`);
      between.cut();
      expected.push(`number ${number}`);
      await hearer.sees(`number ${number}`);
    }
    await uma.page.context().setOffline(true);
    await uma.shows('#state', 'There is no network');
    for (const text of ['one', 'two', 'three']) await vic.says(text);
    await vic.sees('three');
    await uma.page.context().setOffline(false);
    await uma.sees('three');
    expected.push('one', 'two', 'three');
    for (const person of [uma, vic]) assert.deepEqual(await person.texts(), expected);
    assert.equal(await uma.page.locator('.missing').count(), 0);
    await uma.shows('#way', `by ${way}`);
    // Whoever leaves is not there any more.
    await uma.page.goto('about:blank');
    await vic.shows('#members-list [title=away]', '');
    fine(uma, vic);
    between.stop();
  });
}

test('older messages come when they are looked for', async () => {
  const hal = await people.open(server.url, 'hal');
  await crowd(hal, 'market', 500);
  await hal.says('/join market');
  await hal.sees('number 500');
  assert((await hal.texts()).length <= 300);
  await hal.shot('many');
  await hal.page.waitForFunction(() => {
    document.querySelector('#log').scrollTop = 0;
    return document.querySelectorAll('.message').length === 500;
  });
  const expected = Array.from({ length: 500 }, (_, index) => `number ${index + 1}`);
  assert.deepEqual(await hal.texts(), expected);
  await hal.shows('#newer', 'Newest');
  await hal.page.keyboard.press('Escape');
  await hal.page.locator('#newer').waitFor({ state: 'hidden' });
  fine(hal);
});

test('a server that has lost its history is told of', async () => {
  // Clients that connect to a port of this address never get that port themselves, so that it stays free.
  let other = await serve('127.0.0.2:0');
  const ida = await people.open(other.url, 'ida');
  await ida.says('before the crash');
  await ida.sees('before the crash');
  await other.kill();
  await ida.shows('#state', 'The connection is lost');
  await ida.says('meanwhile');
  other = await serve(other.address);
  await ida.sees('meanwhile');
  await ida.shows('.missing', 'Messages may be missing here');
  assert.deepEqual(await ida.texts(), ['before the crash', 'meanwhile']);
  fine(ida);
  await other.stop();
});

test('what is missing and what is not kept yet is marked', async () => {
  // Between the page and the server: loses messages as a full queue does, and keeps some later.
  let tell;
  let held = [];
  const between = page => {
    const server = page.connectToServer();
    tell = update => page.send(JSON.stringify(update));
    server.onMessage(text => {
      const { type, text: said, room, offset } = JSON.parse(text);
      if (said?.startsWith('lost')) tell({ type: 'gap', room, from: offset, to: offset });
      else if (type !== 'said') page.send(text);
    });
    page.onMessage(text => {
      const { type, text: said, room, id } = JSON.parse(text);
      const kept = held.some(other => other.id === id) || !['slow', 'refused'].includes(said);
      if (kept) return server.send(text);
      held.push({ id, send: () => server.send(text) });
      if (said === 'refused') return tell({ type: 'error', code: 'not_kept', text: 'the disk is full', room, id });
      tell({ type: 'queued', id });
      tell({ type: 'message', room, from: 'lea', text: said, id, time: Date.now(), pending: true });
    });
  };
  const lea = await people.open(server.url, 'lea', { between });
  const max = await people.open(server.url, 'm.a-x'.padEnd(48, 'x'));
  for (const person of [lea, max]) await person.says('/join island');
  const answers = max.page.locator('.message:not(.sending) .text');
  for (const text of ['first', 'lost 1', 'lost 2', 'last']) {
    await max.says(text);
    await answers.getByText(text).waitFor();
  }
  await lea.sees('last');
  assert.deepEqual(await lea.texts(), ['first', 'last']);
  await lea.shows('.missing', '1 message is missing here');
  await lea.shot('missing');
  tell({ type: 'gap', room: 'island', from: 5, to: 7 });
  await lea.shows('.missing', '3 messages are missing here');
  for (let left = 3; left > 0; left -= 1) {
    await lea.page.locator('.missing button').first().click();
    await lea.page.waitForFunction(left => document.querySelectorAll('.missing button').length < left, left);
  }
  assert.deepEqual(await lea.texts(), ['first', 'lost 1', 'lost 2', 'last']);

  await lea.says('slow');
  await lea.shows('.passing', 'slow');
  assert.deepEqual((await lea.texts()).slice(4), ['slow']);
  held[0].send();
  await lea.sees('slow');
  await lea.says('refused');
  await lea.shows('.failed', 'the disk is full');
  await lea.page.locator('.failed button', { hasText: 'Send again' }).click();
  await lea.sees('refused');
  assert.deepEqual((await lea.texts()).slice(4), ['slow', 'refused']);

  tell({ type: 'status', store: 'away' });
  await lea.shows('#state', 'kept later');
  tell({ type: 'message', room: 'island', from: 'zoe', text: 'early', id: 'z1', time: Date.now(), pending: true });
  await lea.shows('.passing', 'early');
  tell({ type: 'message', room: 'island', offset: 8, from: 'zoe', text: 'early', id: 'z1', time: Date.now() });
  await lea.sees('early');
  assert.equal((await lea.texts()).filter(text => text === 'early').length, 1);
  tell({ type: 'status', store: 'here' });
  await lea.page.locator('#state').waitFor({ state: 'hidden' });
  await lea.says('/msg nobody Are you there?');
  await lea.shows('.failed', 'nobody here is called');
  await lea.page.locator('.failed button', { hasText: 'Discard' }).click();
  await lea.page.locator('.message').waitFor({ state: 'detached' });
  fine(lea, max);
});

test('rooms are entered one after another', async () => {
  // Of the newest connection: what was asked for and is not answered, the most of it, and what was entered.
  let seen;
  const between = page => {
    const server = page.connectToServer();
    const its = (seen = { asked: 0, most: 0, entered: [] });
    page.onMessage(text => {
      if (JSON.parse(text).type === 'join') its.most = Math.max(its.most, (its.asked += 1));
      server.send(text);
    });
    server.onMessage(text => {
      const { type, room } = JSON.parse(text);
      const isEntered = type === 'joined' && !room.startsWith('@');
      if (isEntered) its.entered.push(room);
      if (isEntered || type === 'error') its.asked -= 1;
      page.send(text);
    });
  };
  const una = await people.open(server.url, 'una', { between });
  for (const room of ['north', 'south', 'east']) {
    await una.says(`/join ${room}`);
    await una.shows('#members-list', 'una');
  }
  // One that the server does not let in holds up no other.
  await una.page.evaluate(() => localStorage.setItem('chat.rooms', JSON.stringify(['lobby', 'north', 'no name', 'south', 'east'])));
  await una.page.reload();
  for (const room of ['lobby', 'north', 'south', 'east']) {
    await una.goes(`#${room}`);
    await una.shows('#members-list', 'una');
  }
  assert.deepEqual([...seen.entered].sort(), ['east', 'lobby', 'north', 'south']);
  assert.equal(seen.most, 1);
  fine(una);
});

test('a name that is taken is asked for again', async () => {
  const jim = await people.open(server.url, 'jim');
  const other = new Person(await (await people.browser.newContext()).newPage(), 'jim');
  await other.page.goto(server.url);
  await other.page.fill('#name', 'a b');
  await other.page.press('#name', 'Enter');
  await other.shows('#name-error', 'use letters');
  await other.page.fill('#name', 'Jim');
  await other.page.press('#name', 'Enter');
  await other.shows('#name-error', 'in use');
  await other.enter('jill');
  await jim.shows('#members-list', 'jill');
  // The same session in another tab ends this one, and does not fight with it.
  const session = await jim.page.evaluate(() => sessionStorage.getItem('chat.session'));
  const tab = await jim.page.context().newPage();
  await tab.addInitScript(session => sessionStorage.setItem('chat.session', session), session);
  await tab.goto(server.url);
  await jim.shows('#state', 'the session goes on in another connection');
  await jim.page.click('#state-act');
  await jim.is('open');
  fine(jim, other);
});

/** Names a file that is removed at the end of the test. */
const file = (name, context) => {
  const path = join(tmpdir(), `switchboard-page-${name}-${process.pid}`);
  context.after(() => rmSync(path, { force: true }));
  return path;
};

/** Opens the page without a name. */
const visit = async url => {
  const context = await people.browser.newContext();
  context.setDefaultTimeout(15_000);
  const person = new Person(await context.newPage(), url);
  await person.page.goto(url);
  return person;
};

test('a name is kept by a password', async context => {
  const options = ['--data', file('accounts', context)];
  let other = await serve('127.0.0.2:0', ...options);
  const ann = await people.open(other.url, 'ann');
  const { page } = ann;
  await ann.shows('#keep', 'Keep this name');
  await page.locator('#keep').focus();
  await page.keyboard.press('Enter');
  await ann.shows('#keep-title', 'Keep this name');
  assert(await page.locator('#keep-old').isHidden());
  await check(ann);
  await ann.shot('keep');
  await page.keyboard.type('short');
  await page.keyboard.press('Enter');
  assert(await page.locator('#keep-new:invalid').isVisible());
  await page.fill('#keep-new', 'correct horse');
  await page.keyboard.press('Enter');
  await ann.shows('.note', 'The name ann is yours');
  await ann.shows('#keep', 'Change password');
  await ann.shot('kept');

  // Somebody else is asked for the password, and who knows it is ann.
  const eve = await visit(other.url);
  await eve.page.fill('#name', 'Ann');
  assert(await eve.page.locator('#password').isHidden());
  await eve.page.keyboard.press('Enter');
  await eve.shows('#name-error', 'has a password');
  await eve.page.waitForSelector('#password:focus');
  await check(eve);
  await eve.shot('password');
  await eve.page.keyboard.type('a wrong horse');
  await eve.page.keyboard.press('Enter');
  await eve.shows('#name-error', 'the name or the password is wrong');
  await eve.page.waitForSelector('#password:focus');
  await eve.page.keyboard.type('correct horse');
  await eve.page.keyboard.press('Enter');
  await eve.is('open');
  await ann.shows('#state', 'the session goes on in another connection');

  // A reload goes on with the session; after a restart the page gives the password again.
  await eve.page.reload();
  await eve.is('open');
  await ann.page.click('#state-act');
  await ann.is('open');
  await other.kill();
  await ann.shows('#state', 'The connection is lost');
  other = await serve(other.address, ...options);
  await ann.is('open');
  await ann.shows('#members-list', 'ann');
  assert.equal(await page.locator('.missing').count(), 0);

  await page.click('#keep');
  await page.fill('#keep-old', 'a wrong horse');
  await page.fill('#keep-new', 'better horse');
  await page.press('#keep-new', 'Enter');
  await ann.shows('#keep-error', 'the old password is wrong');
  await check(ann);
  await ann.shot('change');
  await page.fill('#keep-old', 'correct horse');
  await page.press('#keep-old', 'Enter');
  await page.locator('#keep-dialog').waitFor({ state: 'hidden' });
  // The change has ended the session, and begun another.
  await page.reload();
  await ann.is('open');
  await other.kill();
  await ann.shows('#state', 'The connection is lost');
  await page.click('#keep');
  await page.fill('#keep-old', 'correct horse');
  await page.fill('#keep-new', 'better horse');
  await page.press('#keep-new', 'Enter');
  await ann.shows('#keep-error', 'There is no connection');
  fine(ann, eve);
  // A server without a file has no such form.
  const bea = await people.open(server.url, 'bea');
  assert(await bea.page.locator('#keep').isHidden());
});

test('a token in the address is a way in', async context => {
  const path = file('secret', context);
  const secret = 'a secret of the server';
  writeFileSync(path, secret);
  const other = await serve('127.0.0.1:0', '--token-secret', path);
  const token = (nick, exp) => {
    const claims = Buffer.from(JSON.stringify({ nick, exp })).toString('base64url');
    return `${claims}.${createHmac('sha256', secret).update(claims).digest('base64url')}`;
  };
  const now = Math.floor(Date.now() / 1000);
  const way = (nick, token) => `${other.url}#name=${nick}&room=tea&token=${token}`;
  const ann = await visit(way('ann', token('ann', now + 3600)));
  await ann.is('open');
  await ann.shows('#title', '#tea');
  assert.equal(await ann.page.evaluate('location.href'), other.url);
  await ann.says('I am in.');
  await ann.sees('I am in.');
  // It serves a reload too, and nobody else's name.
  await ann.page.reload();
  await ann.is('open');
  const eve = await visit(way('ann', token('eve', now + 3600)));
  await eve.shows('#name-error', 'a token is needed that proves the name');

  const bob = await visit(way('bob', token('bob', now - 1)));
  await bob.shows('#name-error', 'the token has expired: get a new one');
  await bob.page.waitForSelector('#token:focus');
  await check(bob);
  await bob.shot('expired');
  await bob.page.fill('#token', token('bob', now + 3600));
  await bob.page.press('#token', 'Enter');
  await bob.is('open');
  await bob.sees('I am in.');
  fine(ann, eve, bob);
  await other.stop();
});

test('the page can be used by everybody', async () => {
  for (const [colorScheme, viewport] of [['light'], ['dark'], ['light', NARROW], ['dark', NARROW]]) {
    const name = `${colorScheme}${viewport ? '-narrow' : ''}`;
    const person = await people.open(server.url, name, { colorScheme, ...(viewport && { viewport }) });
    await person.sees('Next to the tea.');
    await person.says('/nonsense');
    await person.shows('.note', 'is no command');
    await person.page.fill('#text', '');
    await check(person);
    await person.shot(name);
    const overflow = await person.page.evaluate('document.documentElement.scrollWidth - innerWidth');
    assert(overflow <= 0, `${overflow} pixels too wide`);
    if (viewport) {
      await person.page.click('#show-side');
      await person.shows('#side [aria-current]', 'lobby');
      await check(person);
      await person.shot(`${name}-drawer`);
      await person.page.keyboard.press('Escape');
      await person.page.locator('#side').waitFor({ state: 'hidden' });
    }
    await person.page.locator('#log').focus();
    await person.page.keyboard.press('?');
    await check(person);
    await person.shot(`${name}-help`);
    await person.page.keyboard.press('Escape');
    fine(person);
  }
});
