'use strict';
// The page in a real browser, of a real service on jemalloc.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');

const axe = require('axe-core');
const { LIBRARIES } = require('./support/allocators.js');
const { launch, openPage, skip } = require('./support/browser.js');

const SERVICE = path.join(__dirname, 'children', 'page-service.js');
const MB = 2 ** 20;
const TOKEN = 'a token of more than 16';

/** What is freed stays until it is purged. */
const LAZY = 'dirty_decay_ms:-1,muzzy_decay_ms:0,narenas:1';

let browser;
before(async () => {
  if (!skip) browser = await launch();
});
after(() => browser?.close());

/** Starts the service; answers its address, and ways to move it. */
async function startService(t, { port = 0, args = [], allocator = 'jemalloc 5.3.1' } = {}) {
  const env = { ...process.env, LD_PRELOAD: LIBRARIES[allocator] ?? '', MALLOC_CONF: LAZY };
  const child = spawn(process.execPath, ['--expose-gc', SERVICE, port, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'close');
  };
  t.after(end);
  const [line] = await once(child.stdout, 'data');
  const started = JSON.parse(line);
  const origin = `http://127.0.0.1:${started.port}`;
  const ask = async (path, options) => (await fetch(origin + path, options)).json();
  return { ...started, url: `${origin}/debug/memory`, ask, end };
}

const tile = (page, name) => page.locator('.tile', { has: page.locator(`dt:text-is("${name}")`) });
const tileBytes = async (page, name) =>
  Number(await tile(page, name).locator('data').getAttribute('value'));
const partBytes = async (page, name) => {
  const row = page.locator('#ledger tr', { has: page.locator(`.name:text-is("${name}")`) });
  return Number(await row.locator('data').getAttribute('value'));
};

/** Waits until `check` of the page's own figures holds, and gives the last of them. */
async function until(page, read, check) {
  for (;;) {
    const value = await read();
    if (check(value)) return value;
    // The next sample changes the page.
    await page.waitForFunction(
      (text) => document.querySelector('#figures').textContent !== text,
      await page.locator('#figures').textContent(),
    );
  }
}

const isLive = (page) => page.waitForSelector('[data-state="live"]');
const hasVerdict = (page) => page.waitForSelector('#verdict .headline');

function near(actual, expected, what) {
  const tolerance = Math.max(expected * 0.1, 4 * MB);
  const message = `${what}: ${actual} on the page, ${expected} by the API`;
  assert.ok(Math.abs(actual - expected) <= tolerance, message);
}

describe('the page', { timeout: 120_000, skip }, () => {
  it('shows the figures of the service, in words and exactly, and follows them', async (t) => {
    const service = await startService(t);
    await service.ask('/hold?n=64');
    const { page, complaints } = await openPage(t, browser, service.url);
    await hasVerdict(page);
    const figures = await service.ask('/debug/memory');
    near(await tileBytes(page, 'RSS'), figures.rss, 'RSS');
    near(await tileBytes(page, 'Gap'), figures.gap, 'gap');
    near(await tileBytes(page, 'Allocated'), figures.allocator.allocated, 'allocated');
    assert.match(await tile(page, 'RSS').locator('data').getAttribute('title'), /^[\d,]+ bytes$/);
    assert.match(await tile(page, 'RSS').locator('data').textContent(), /^\d{3} MB$/);
    const { ledger } = await service.ask('/debug/memory/inspect');
    near(await partBytes(page, 'Buffers'), ledger.parts.buffers.bytes, 'Buffers');
    assert.equal(await page.locator('.headline code').textContent(), figures.verdict);
    const spoken = page.getByRole('status').filter({ hasText: 'RSS' });
    assert.equal(await spoken.count(), 1, 'the verdict is read out');
    assert.match(await page.locator('h1').textContent(), /page-service\.js/);
    assert.match(await page.locator('#who').textContent(), new RegExp(`${service.pid}.*jemalloc`));

    await service.ask('/hold?n=128');
    await until(
      page,
      () => tileBytes(page, 'RSS'),
      (rss) => rss > figures.rss + 100 * MB,
    );
    await until(
      page,
      () => partBytes(page, 'Buffers'),
      (size) => size > 150 * MB,
    );
    assert.deepEqual(complaints, []);
  });

  it('splits RSS into parts that sum to it', async (t) => {
    const service = await startService(t);
    const { page } = await openPage(t, browser, service.url);
    await hasVerdict(page);
    const [sum, shares] = await page.evaluate(() => {
      const rows = [...document.querySelectorAll('#ledger tbody tr')];
      const sizes = rows.map((row) => Number(row.querySelector('data').value));
      const percents = rows.map((row) => Number.parseFloat(row.lastChild.textContent) || 0);
      return [sizes, percents].map((list) => list.reduce((a, b) => a + b, 0));
    });
    near(sum, await tileBytes(page, 'RSS'), 'the sum of the parts');
    assert.ok(Math.abs(shares - 100) < 3, `${shares} % in all`);
  });

  it('purges, says what that did, marks it, and tells when it must wait', async (t) => {
    const service = await startService(t);
    await service.ask('/hold?n=128');
    const { page, complaints } = await openPage(t, browser, service.url);
    await hasVerdict(page);
    await service.ask('/drop');
    const before = await until(
      page,
      () => partBytes(page, 'Dirty'),
      (size) => size > 80 * MB,
    );
    await page.getByRole('button', { name: 'Purge' }).click();
    const said = page.locator('#purge-said');
    await said.locator('.headline').waitFor();
    assert.match(await said.textContent(), /^RSS \d+ MB → \d+(\.\d)? MB: [\d.]+ MB returned in /);
    const [rssBefore, rssAfter, released] = await said
      .locator('.headline data')
      .evaluateAll((all) => all.map(({ value }) => Number(value)));
    assert.equal(released, rssBefore - rssAfter);
    near(released, before, 'what was dirty');
    assert.deepEqual(complaints, []);

    await page.getByRole('button', { name: 'Purge' }).click();
    await page.locator('#purge-said .refused').waitFor();
    assert.match(await said.textContent(), /Not purged: .*try again in \d+ s/);
    assert.deepEqual(complaints.splice(0).length, 1, 'the browser names the 429');

    await page.getByText(/^P.* Purge, [\d.]+ MB returned$/).waitFor();
    await until(
      page,
      () => partBytes(page, 'Dirty'),
      (size) => size < 40 * MB,
    );
  });

  it('says that the connection is lost, and goes on when the service is back', async (t) => {
    const first = await startService(t);
    const { page, complaints } = await openPage(t, browser, first.url);
    await isLive(page);
    await first.end();
    await page.waitForSelector('[data-state="lost"]');
    assert.match(await page.locator('#state').textContent(), /Connection lost/);
    const second = await startService(t, { port: first.port });
    await isLive(page);
    await page.locator('#notice').waitFor();
    const notice = await page.locator('#notice').textContent();
    assert.match(notice, new RegExp(`it was ${first.pid} on .* it is ${second.pid} on`));
    const errors = complaints.filter((text) => !text.startsWith('Failed to load resource'));
    assert.deepEqual(errors, []);
    await second.ask('/hold?n=64');
    await until(
      page,
      () => tileBytes(page, 'Allocated'),
      (size) => size > 60 * MB,
    );
  });

  it('says that nothing comes while the event loop is held', async (t) => {
    const service = await startService(t);
    const { page } = await openPage(t, browser, service.url);
    await isLive(page);
    const blocked = service.ask('/block?n=9000');
    await page.waitForSelector('[data-state="silent"]');
    await blocked;
    await isLive(page);
  });

  it('shows arenas, size classes and mappings when asked', async (t) => {
    const service = await startService(t);
    const { page, complaints } = await openPage(t, browser, service.url);
    await isLive(page);
    await page.getByRole('button', { name: 'Inspect' }).click();
    await page.locator('#inspected table').first().waitFor();
    const titles = await page.locator('#inspected h3').allTextContents();
    for (const title of ['Arenas', 'Size classes', 'Mappings by kind', 'Threads']) {
      assert.ok(titles.includes(title), `${title} among ${titles}`);
    }
    const rows = page.getByLabel('Arenas', { exact: true }).locator('tbody tr');
    assert.ok((await rows.count()) > 0);
    assert.deepEqual(complaints, []);
  });

  it('stands still while paused', async (t) => {
    const service = await startService(t);
    const { page } = await openPage(t, browser, service.url);
    await hasVerdict(page);
    const pause = page.getByRole('button', { name: 'Pause' });
    await pause.click();
    assert.equal(await pause.getAttribute('aria-pressed'), 'true');
    const rss = await tileBytes(page, 'RSS');
    await service.ask('/hold?n=64');
    // Two samples more, as another viewer sees them.
    const other = await openPage(t, browser, service.url);
    await until(
      other.page,
      () => tileBytes(other.page, 'Allocated'),
      (size) => size > 60 * MB,
    );
    assert.equal(await tileBytes(page, 'RSS'), rss);
    await pause.click();
    await until(
      page,
      () => tileBytes(page, 'Allocated'),
      (size) => size > 60 * MB,
    );
  });

  it('is read by keyboard: the button, and the samples of a chart', async (t) => {
    const service = await startService(t);
    const { page } = await openPage(t, browser, service.url);
    await hasVerdict(page);
    const at = page.locator('#chart-ledger .at');
    const first = await at.textContent();
    await until(
      page,
      () => at.textContent(),
      (time) => time !== first,
    );
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
    const chart = page.getByRole('img', { name: /^RSS by its parts/ });
    await chart.focus();
    const newest = await at.textContent();
    await page.keyboard.press('Home');
    assert.notEqual(await at.textContent(), newest);
    assert.match(await page.locator('#chart-ledger .unseen').textContent(), /RSS [\d.]+ MB/);
    await page.getByRole('button', { name: 'Purge' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('#purge-said .headline').waitFor();
  });

  it('asks for the token, and has all that it needs with it', async (t) => {
    const service = await startService(t, { args: [TOKEN] });
    const credentials = { httpCredentials: { username: 'any', password: TOKEN } };
    const opened = await openPage(t, browser, service.url, credentials);
    await hasVerdict(opened.page);
    assert.ok((await tileBytes(opened.page, 'RSS')) > 20 * MB);
    await opened.page.getByRole('button', { name: 'Purge' }).click();
    await opened.page.locator('#purge-said .headline').waitFor();
    const stranger = await browser.newContext();
    t.after(() => stranger.close());
    const answer = await stranger.request.get(`${service.url}/page/app.mjs`);
    assert.equal(answer.status(), 401);
  });

  it('keeps its figures without uPlot', async (t) => {
    const service = await startService(t);
    const context = await browser.newContext();
    t.after(() => context.close());
    await context.route(/uPlot/, (route) => route.abort());
    const page = await context.newPage();
    await page.goto(service.url);
    await hasVerdict(page);
    assert.ok((await tileBytes(page, 'RSS')) > 20 * MB);
    await page.getByText('No charts: the package uplot').first().waitFor();
  });

  it('runs no script but its own', async (t) => {
    const service = await startService(t);
    const { page } = await openPage(t, browser, service.url);
    await hasVerdict(page);
    const blocked = page.waitForEvent('console', {
      predicate: (message) => message.text().includes('Content Security Policy'),
    });
    await page.evaluate(() => {
      // As an attacker would who has found a way to add elements, but not around the policy.
      const frame = document.createElement('iframe');
      const script = document.createElement('script');
      script.append('window.intruder = true');
      document.body.append(frame, script);
      frame.src = 'https://example.com/';
    });
    assert.equal(await page.evaluate(() => window.intruder), undefined);
    await blocked;
  });
});

const SCREENS = {
  'a desktop, light': { viewport: { width: 1280, height: 900 }, colorScheme: 'light' },
  'a desktop, dark': { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
  'a phone, light': { viewport: { width: 360, height: 740 }, colorScheme: 'light', hasTouch: true },
  'a phone, dark': { viewport: { width: 360, height: 740 }, colorScheme: 'dark', hasTouch: true },
};

describe('on every screen', { timeout: 120_000, skip }, () => {
  for (const [name, screen] of Object.entries(SCREENS)) {
    it(`${name}: nothing is in the way of assistive technology, nothing sticks out`, async (t) => {
      const service = await startService(t);
      await service.ask('/hold?n=96');
      await service.ask('/drop');
      const { page, complaints } = await openPage(t, browser, service.url, screen);
      await page.locator('.finding').first().waitFor();
      await page.getByRole('button', { name: 'Inspect' }).click();
      await page.locator('#inspected table').first().waitFor();
      await page.getByRole('button', { name: 'Purge' }).click();
      await page.locator('#purge-said .headline').waitFor();
      await page.evaluate(axe.source);
      const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`);
      assert.deepEqual(found, []);
      assert.ok(passes.length > 20, `${passes.length} rules were looked at`);
      const [width, content] = await page.evaluate(() => [innerWidth, document.body.scrollWidth]);
      assert.ok(content <= width, `${content} pixels wide on a screen of ${width}`);
      assert.deepEqual(complaints, []);
    });
  }
});
