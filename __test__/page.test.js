'use strict';
// The page in a real browser, of a real service on jemalloc.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');

const axe = require('axe-core');
const { message } = require('../lib/route/sampler.js');
const { LIBRARIES } = require('./support/allocators.js');
const { launch, openPage, skip } = require('./support/browser.js');
const { look } = require('./support/route.js');

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

const hasVerdict = (page) => page.waitForSelector('#verdict .headline');

/** A service that holds so many megabytes, and its page with a verdict; `prepare(page, service)` comes before it loads. */
async function shown(t, { args, hold = 0, options, prepare = () => {} } = {}) {
  const service = await startService(t, { args });
  await service.ask(`/hold?n=${hold}`);
  const prepared = (page) => prepare(page, service);
  const opened = await openPage(t, browser, service.url, options, prepared);
  await hasVerdict(opened.page);
  return { ...opened, service };
}

/** What the service's own stream says. */
async function heardFrom({ port }) {
  const { req, next } = await look(port);
  const heard = {};
  for (const event of ['hello', 'history', 'sample', 'diagnosis']) heard[event] = await next(event);
  req.destroy();
  return heard;
}

/** The same as text, with samples that differ in what `rows` say; the last of them is new. */
function textOf({ hello, history: { columns }, sample, diagnosis }, rows) {
  const told = rows.map((row) => columns.map((name, i) => row[name] ?? sample.row[i]));
  const events = {
    hello,
    history: { columns, rows: told.slice(0, -1) },
    sample: { ...sample, row: told.at(-1) },
    diagnosis,
  };
  const texts = Object.entries(events).map(([name, data]) => message(name, JSON.stringify(data)));
  return `retry: 1\n${texts.join('')}`;
}

const newestRss = (page) =>
  page.locator('#chart-ledger .legend li', { hasText: /^RSS / }).locator('data');

/** At the left end of the chart. */
async function oldestRss(page) {
  await page.getByRole('img', { name: /^RSS by its parts/ }).focus();
  await page.keyboard.press('Home');
  return Number(await newestRss(page).getAttribute('value'));
}

/**
 * The page after a second connection, which knows nothing of what the first one said: RSS of 100 and 200 MB with a
 * purge in between, then 300 MB. `change` makes the second hello of the first.
 */
async function connectedAgain(t, change) {
  async function prepare(page, service) {
    const heard = await heardFrom(service);
    const time = Date.now();
    const texts = [
      textOf(heard, [
        { time, rss: 100 * MB, purges: 0 },
        { time: time + 1000, rss: 200 * MB, purges: 1 },
      ]),
      textOf({ ...heard, hello: change(heard.hello) }, [
        { time: time + 2000, rss: 300 * MB, purges: 1 },
      ]),
    ];
    await page.route('**/live', async (route) => {
      const body = texts.shift();
      // Whoever asks once more waits.
      if (body) await route.fulfill({ contentType: 'text/event-stream', body });
    });
  }
  const { page } = await shown(t, { prepare });
  await page.locator(`#chart-ledger .legend data[value="${300 * MB}"]`).waitFor();
  return page;
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

function near(actual, expected, what) {
  const tolerance = Math.max(expected * 0.1, 4 * MB);
  const message = `${what}: ${actual} on the page, ${expected} by the API`;
  assert.ok(Math.abs(actual - expected) <= tolerance, message);
}

describe('the page', { timeout: 120_000, skip }, () => {
  it('shows the figures of the service, in words and exactly, and follows them', async (t) => {
    const { page, complaints, service } = await shown(t, { hold: 64 });
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
    const { page } = await shown(t);
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
    const { page, complaints, service } = await shown(t, { hold: 128 });
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
    const { page, complaints, service: first } = await shown(t);
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
    const { page, service } = await shown(t);
    const blocked = service.ask('/block?n=9000');
    await page.waitForSelector('[data-state="silent"]');
    await blocked;
    await isLive(page);
  });

  it('gives up a connection that has died without a word, for a new one', async (t) => {
    const { page, service } = await shown(t, { prepare: (page) => page.clock.install() });
    // As dead as it gets: it neither answers nor closes.
    process.kill(service.pid, 'SIGSTOP');
    const isLiveRequest = (request) => request.url() === `${service.url}/live`;
    const givenUp = page.waitForEvent('requestfailed', isLiveRequest);
    const next = page.waitForRequest(isLiveRequest);
    await page.clock.fastForward(16_000);
    await Promise.all([givenUp, next]);
    assert.equal(await page.locator('body').getAttribute('data-state'), 'silent');
    process.kill(service.pid, 'SIGCONT');
    await isLive(page);
  });

  it('keeps its history over a new connection', async (t) => {
    const page = await connectedAgain(t, (hello) => hello);
    assert.equal(await page.locator('#notice').isHidden(), true);
    assert.equal(await oldestRss(page), 100 * MB);
    assert.match(await page.locator('#events').textContent(), /Purge$/);
  });

  it('begins anew with a process started anew, whose id in a container is the same', async (t) => {
    const page = await connectedAgain(t, (hello) => ({ ...hello, started: hello.started + 1 }));
    const notice = await page.locator('#notice').textContent();
    assert.match(notice, /^At .* process \d+ on \S+ had been started anew\.$/);
    assert.equal(await oldestRss(page), 300 * MB);
    assert.equal(await page.locator('#events li').count(), 0);
    assert.equal(await page.locator('#no-events').isVisible(), true);
  });

  it('shows arenas, size classes and mappings when asked', async (t) => {
    const { page, complaints } = await shown(t);
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
    const { page, service } = await shown(t);
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
    const { page } = await shown(t);
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
    const options = { httpCredentials: { username: 'any', password: TOKEN } };
    const { page, service } = await shown(t, { args: [TOKEN], options });
    assert.ok((await tileBytes(page, 'RSS')) > 20 * MB);
    await page.getByRole('button', { name: 'Purge' }).click();
    await page.locator('#purge-said .headline').waitFor();
    const stranger = await browser.newContext();
    t.after(() => stranger.close());
    const answer = await stranger.request.get(`${service.url}/page/app.mjs`);
    assert.equal(answer.status(), 401);
  });

  it('keeps its figures without uPlot', async (t) => {
    const prepare = (page) => page.route(/uPlot/, (route) => route.abort());
    const { page } = await shown(t, { prepare });
    assert.ok((await tileBytes(page, 'RSS')) > 20 * MB);
    await page.getByText('No charts: the package uplot').first().waitFor();
  });

  it('runs no script but its own', async (t) => {
    const { page } = await shown(t);
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
      const { page, complaints, service } = await shown(t, { hold: 96, options: screen });
      await service.ask('/drop');
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
