'use strict';
// The page's section on heap profiles, in a real browser, of a real service.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { gunzipSync } = require('node:zlib');

const axe = require('axe-core');
const { preload } = require('./support/allocators.js');
const { launch, openPage, skip } = require('./support/browser.js');
const { NAMED, startService } = require('./support/profiled.js');

const SHIPPED = 'jemalloc 5.3.1';
const TOKEN = 'a token of more than 16';

let browser;
before(async () => {
  if (!skip) browser = await launch();
});
after(() => browser?.close());

const SCREENS = {
  'a desktop, light': { viewport: { width: 1280, height: 900 }, colorScheme: 'light' },
  'a phone, dark': { viewport: { width: 360, height: 740 }, colorScheme: 'dark', hasTouch: true },
};

/** The page of a service on the shipped jemalloc; `null` where there is none. */
async function open(t, { options, screen, ...how } = {}) {
  const library = preload(t, SHIPPED);
  if (library === null) return null;
  const service = await startService(t, { preload: library, options, ...how });
  const opened = await openPage(t, browser, service.url, screen);
  const { page } = opened;
  await page.locator('[data-state="live"]').waitFor();
  return { ...opened, service, said: page.locator('#profile-said') };
}

/** Shorter than what the page offers. */
async function choose(page, seconds) {
  const add = (value) => document.querySelector('#profile-seconds').append(new Option(value));
  await page.evaluate(add, String(seconds));
  await page.locator('#profile-seconds').selectOption(String(seconds));
}

const press = (page, name) => page.getByRole('button', { name, exact: true }).click();
const hasText = (locator, text) => locator.filter({ hasText: text }).waitFor();

describe('native memory by stack', { timeout: 120_000, skip }, () => {
  for (const [name, screen] of Object.entries(SCREENS)) {
    it(`${name}: is drawn, by a script that cannot reach the page`, async (t) => {
      const opened = await open(t, { screen, named: NAMED });
      if (opened === null) return;
      const { page, said, service } = opened;
      await choose(page, 1);
      await press(page, 'Profile');
      await hasText(said, 'Profiling for 1 s…');
      await page.getByText('1 s left').waitFor();
      await hasText(said, /^What was allocated in 1 s, until .*, and is in use\.$/);
      assert.equal(await page.locator('#profile-left').textContent(), '');
      assert.equal((await service.held()).active, false);

      const graph = page.frameLocator('#profiled iframe');
      await graph.locator('text', { hasText: 'holdNativeMemory' }).first().waitFor();
      // Its script works: the search that it adds.
      await graph.locator('#search').waitFor({ state: 'attached' });
      const frame = page.frames().find((each) => each.url().includes('format=flamegraph'));
      assert.equal(await frame.evaluate(() => globalThis.origin), 'null');
      const reached = await frame.evaluate(() => {
        try {
          return globalThis.parent.document.title;
        } catch (error) {
          return error.name;
        }
      });
      assert.equal(reached, 'SecurityError');
      const loaded = await frame.evaluate(async (url) => {
        const violation = new Promise((resolve) => {
          globalThis.addEventListener('securitypolicyviolation', (event) =>
            resolve(event.effectiveDirective),
          );
        });
        await fetch(url).catch(() => {});
        return violation;
      }, service.url);
      assert.equal(loaded, 'connect-src');

      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() =>
        globalThis.axe.run('section:has(#profile)', { iframes: false }),
      );
      assert.deepEqual(
        violations.map(({ id }) => id),
        [],
      );
      const sticksOut = () => document.documentElement.scrollWidth > innerWidth;
      assert.equal(await page.evaluate(sticksOut), false);
    });
  }

  it('is cancelled by the same button, by keyboard, and the service stops profiling', async (t) => {
    const opened = await open(t);
    if (opened === null) return;
    const { page, said, service, complaints } = opened;
    await page.getByRole('button', { name: 'Profile', exact: true }).focus();
    await page.keyboard.press('Enter');
    await service.isActive(true);
    await page.getByText(/\d s left/).waitFor();
    const button = page.getByRole('button', { name: 'Cancel' });
    assert.equal(await button.evaluate((element) => element === document.activeElement), true);
    await page.keyboard.press('Enter');
    await hasText(said, 'Cancelled');
    await service.isActive(false);
    assert.equal(await page.locator('#profiled iframe').count(), 0);
    assert.equal(await page.locator('#profile-left').textContent(), '');
    assert.deepEqual(complaints, []);
  });

  it('ends with the page', async (t) => {
    const opened = await open(t);
    if (opened === null) return;
    const { page, service } = opened;
    await press(page, 'Profile');
    await service.isActive(true);
    await page.close();
    await service.isActive(false);
  });

  it('says that it was refused, and shows why', async (t) => {
    const opened = await open(t);
    if (opened === null) return;
    const { page, said, service } = opened;
    const controller = new AbortController();
    const { signal } = controller;
    const other = fetch(`${service.url}/profile?seconds=600`, { signal }).catch(() => {});
    await service.isActive(true);
    await press(page, 'Profile');
    await hasText(said, 'Not profiled: the answer below says why.');
    await page.frameLocator('#profiled iframe').getByText('another profile is under way').waitFor();
    await page.getByRole('button', { name: 'Profile', exact: true }).waitFor();
    controller.abort();
    await other;
  });

  it('is a file for pprof, too, behind a token', async (t) => {
    const opened = await open(t, {
      options: { profile: true, token: TOKEN },
      screen: { httpCredentials: { username: 'any', password: TOKEN } },
    });
    if (opened === null) return;
    const { page, said } = opened;
    await choose(page, 1);
    await press(page, 'Profile');
    await hasText(said, 'is in use');
    const downloading = page.waitForEvent('download');
    await page.getByRole('link', { name: 'pprof' }).click();
    const download = await downloading;
    assert.match(download.suggestedFilename(), /^heap-\d+-\w+\.pb\.gz$/);
    const chunks = await (await download.createReadStream()).toArray();
    assert.match(gunzipSync(Buffer.concat(chunks)).toString('latin1'), /inuse_space/);
  });

  for (const [what, how, why] of [
    ['where the route does not serve it', { options: {} }, 'profile: true'],
    ['where profiling was not asked for', { malloc: '' }, 'MALLOC_CONF=prof:true'],
  ]) {
    it(`${what} has no button, and says why`, async (t) => {
      const opened = await open(t, how);
      if (opened === null) return;
      const { page, complaints } = opened;
      await hasText(page.locator('#profile-why'), why);
      assert.equal(await page.getByRole('button', { name: 'Profile', exact: true }).count(), 0);
      assert.equal(await page.getByRole('link', { name: 'pprof' }).count(), 0);
      assert.deepEqual(complaints, []);
    });
  }
});
