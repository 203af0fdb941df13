// Servers, and people with browsers.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { accessSync } from 'node:fs';
import { createServer, request as ask } from 'node:http';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const WIDE = { width: 1180, height: 760 };
export const NARROW = { width: 360, height: 720 };

const program = name =>
  process.env.PATH.split(delimiter).map(folder => join(folder, name)).find(path => {
    try {
      accessSync(path);
      return true;
    } catch {
      return false;
    }
  });

/** What ends the servers and the proxies: a test that fails leaves them, and Node waits for them. */
const left = [];

export const endAll = () => Promise.all(left.map(end => end()));

/** Starts `switchboard serve chat`. It ends with its input. */
export const serve = async (listen = '127.0.0.1:0', ...options) => {
  const words = ['serve', 'chat', '--listen', listen, '--history', '1000', '--until-eof', ...options];
  const child = spawn(process.env.SWITCHBOARD, words, {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise(resolve => child.on('exit', resolve));
  const kill = () => (child.kill('SIGKILL'), ended);
  left.push(kill);
  const { value: line } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  const address = line?.match(/^listening on (.+)$/)?.[1];
  assert(address, `serve chat printed ${line}`);
  return { address, url: `http://${address}/`, kill, stop: () => (child.stdin.end(), ended) };
};

/** A proxy as some networks have one: no WebSocket passes, and answers from `blocked` on never come. */
export const proxy = async (to, ...blocked) => {
  const server = createServer((request, response) => {
    if (blocked.some(path => request.url.startsWith(path))) return;
    const { method, headers } = request;
    const onward = ask(new URL(request.url, to), { method, headers }, answer => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  server.on('upgrade', (_, socket) => socket.destroy());
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const cut = () => server.closeAllConnections();
  const stop = () => (cut(), server.close());
  left.push(stop);
  return { url: `http://127.0.0.1:${server.address().port}/`, cut, stop };
};

/** A browser, and the people who use it. */
export class People {
  static async start() {
    const options = { executablePath: program('chromium'), args: ['--no-sandbox'] };
    return Object.assign(new People(), { browser: await chromium.launch(options) });
  }

  /** Opens the page, says a name, and waits until the server knows it. */
  async open(url, name, options = {}) {
    const context = await this.browser.newContext({ viewport: WIDE, reducedMotion: 'reduce', ...options });
    context.setDefaultTimeout(45_000);
    const person = new Person(await context.newPage(), name);
    if (options.between) await person.page.routeWebSocket('**/ws', options.between);
    await person.page.goto(url);
    await person.enter(name);
    return person;
  }

  close() {
    return this.browser.close();
  }
}

export class Person {
  /** What the page should not have said: errors, refusals of the policy, dialogs of scripts. */
  wrong = [];

  constructor(page, name) {
    Object.assign(this, { page, name });
    page.on('pageerror', error => this.wrong.push(error.stack));
    page.on('dialog', dialog => (this.wrong.push(`dialog: ${dialog.message()}`), dialog.dismiss()));
    page.on('console', message => {
      // Connections that fail while there is no server are no fault of the page.
      if (message.type() === 'error' && !/WebSocket connection|ERR_(INTERNET|CONNECTION|SOCKET|EMPTY|INCOMPLETE|NETWORK)/.test(message.text())) this.wrong.push(message.text());
    });
  }

  async enter(name) {
    await this.page.fill('#name', name);
    await this.page.press('#name', 'Enter');
    await this.is('open');
  }

  /** Waits for a state of the connection. */
  is(state) {
    return this.page.waitForSelector(`body[data-state=${state}]`);
  }

  async says(text) {
    await this.page.fill('#text', text);
    await this.page.press('#text', 'Enter');
  }

  /** Waits until a message is shown as kept. */
  sees(text) {
    const kept = '.message:not(.sending, .queued, .passing, .failed) .text';
    return this.page.locator(kept, { hasText: text }).first().waitFor();
  }

  /** The texts that are shown. */
  texts() {
    return this.page.locator('.message .text').allTextContents();
  }

  shows(selector, text) {
    return this.page.locator(selector, { hasText: text }).first().waitFor();
  }

  /** Goes to a conversation. */
  goes(title) {
    return this.page.locator('nav li button', { hasText: title }).click();
  }

  async shot(name) {
    const folder = process.env.SHOTS;
    if (folder) await this.page.screenshot({ path: join(folder, `${name}.png`) });
  }
}

/** Has others say as many messages as the server takes at once, each from a connection of its own. */
export const crowd = (person, room, count) =>
  person.page.evaluate(async ({ room, count }) => {
    const EACH = 50;
    for (let first = 1; first <= count; first += EACH) {
      const socket = new WebSocket(new URL('ws', location.href.replace('http', 'ws')));
      const send = command => socket.send(JSON.stringify(command));
      await new Promise(resolve => (socket.onopen = resolve));
      send({ type: 'hello', nick: `crowd-${first}` });
      send({ type: 'join', room });
      for (let number = first; number < first + EACH; number += 1) send({ type: 'say', room, text: `number ${number}`, id: `${number}` });
      await new Promise(resolve => (socket.onmessage = ({ data }) => {
        const { type, id } = JSON.parse(data);
        if (type === 'said' && id === `${first + EACH - 1}`) resolve();
      }));
      socket.close();
    }
  }, { room, count });
