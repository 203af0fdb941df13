// A report of the lab as a page, in Chromium. `REPORT` names the file; `SHOTS` a folder for pictures.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const url = pathToFileURL(process.env.REPORT).href;

let browser;
before(async () => (browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })));
after(async () => browser?.close());

// Texts of plots that are cut off or lie over each other, and a page that is wider than the window.
const crowded = () => {
  const found = document.documentElement.scrollWidth > innerWidth ? ['the page is too wide'] : [];
  for (const svg of document.querySelectorAll('svg.plot')) {
    const box = svg.getBoundingClientRect();
    if (box.width === 0) continue;
    const texts = [...svg.querySelectorAll('text')].map(text => ({ text: text.textContent, box: text.getBoundingClientRect() }));
    for (const { text, box: { left, right, top, bottom } } of texts)
      if (left < box.left - 1 || right > box.right + 1 || top < box.top - 2 || bottom > box.bottom + 1) found.push(`cut off: ${text}`);
    texts.forEach((a, nth) => texts.slice(nth + 1).forEach(b => {
      const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const down = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      if (across > 1 && down > 4) found.push(`one over another: ${a.text}, ${b.text}`);
    }));
    const type = parseFloat(getComputedStyle(svg.querySelector('text')).fontSize) * box.width / svg.viewBox.baseVal.width;
    if (type < 10) found.push(`type of ${type} pixels`);
  }
  return found;
};

for (const colorScheme of ['light', 'dark'])
  for (const width of [1100, 390, 320])
    test(`${colorScheme}, ${width} pixels wide`, async () => {
      // The page's policy lets no script in, not even axe.
      const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, bypassCSP: true });
      const page = await context.newPage();
      const asked = [];
      page.on('request', request => asked.push(request.url()));
      page.on('console', message => asked.push(message.text()));
      await page.goto(url);
      if (process.env.SHOTS) await page.screenshot({ path: join(process.env.SHOTS, `${colorScheme}-${width}.png`), fullPage: true });
      await page.evaluate(() => document.querySelectorAll('details').forEach(details => (details.open = true)));
      if (width === 1100 || (width === 390 && colorScheme === 'light')) {
        const { violations } = await page.evaluate(`${axe}; axe.run()`);
        assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), []);
      }
      assert.deepEqual(await page.evaluate(crowded), []);
      assert.deepEqual(asked, [url]);
      await context.close();
    });

test('without scripts, the data can be saved and the details open on paper', async () => {
  const context = await browser.newContext({ javaScriptEnabled: false, acceptDownloads: true });
  const page = await context.newPage();
  await page.goto(url);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('a.save, .save a')]);
  assert.equal(download.suggestedFilename(), 'switchboard-lab.json');
  assert.equal(JSON.parse(readFileSync(await download.path(), 'utf8')).schema, 'switchboard-lab');
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  assert.ok(await page.locator('.numbers').first().isVisible());
  const paper = await page.locator('body').evaluate(body => getComputedStyle(body).backgroundColor);
  assert.equal(paper, 'rgb(255, 255, 255)');
  await context.close();
});
