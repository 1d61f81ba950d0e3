'use strict';
// A real browser: Debian's Chromium, driven by playwright-core.

const fs = require('node:fs');
const { chromium } = require('playwright-core');

const FILES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

const installed = FILES.find((file) => fs.existsSync(file));

/** Why tests that need a browser are skipped; `false` where they run, or fail under CI. */
const skip = installed === undefined && !process.env.CI && 'this machine lacks chromium';

/** Throws where there is none. */
async function launch() {
  if (installed === undefined) throw new Error('this machine lacks chromium');
  // Chromium's sandbox needs another user than root.
  const args = process.getuid() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath: installed, args });
}

/** Opens a page of its own; `complaints` collects what the browser has to say against it. */
async function openPage(t, browser, url, options, prepare = () => {}) {
  const context = await browser.newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error.stack)));
  await prepare(page);
  await page.goto(url);
  return { page, complaints };
}

module.exports = { launch, openPage, skip };
