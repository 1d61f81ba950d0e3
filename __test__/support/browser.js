'use strict';
// A real browser: Debian's Chromium, driven by playwright-core.

const fs = require('node:fs');
const { chromium } = require('playwright-core');
const { lacks } = require('./faulty.js');

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** One for all tests of a file; `null` where the machine has none. */
async function launch() {
  const executablePath = CHROMIUM.find((file) => fs.existsSync(file));
  if (executablePath === undefined) return null;
  // Chromium's sandbox needs another user than root.
  return chromium.launch({ executablePath, args: process.getuid() === 0 ? ['--no-sandbox'] : [] });
}

/** Opens a page of its own; `complaints` collects what the browser has to say against it. */
async function openPage(t, browser, url, options) {
  if (browser === null) return lacks(t, 'chromium');
  const context = await browser.newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error.stack)));
  await page.goto(url);
  return { page, complaints };
}

module.exports = { launch, openPage };
