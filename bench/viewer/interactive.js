'use strict';
// How soon the page can be used in a real Chromium: its figures are there, and its button works.

const { launch } = require('../../__test__/support/browser.js');

/** In the page: the time since the navigation began, once nothing is left to wait for. */
function timeToUse() {
  const ready = () => {
    const button = document.querySelector('#purge');
    return button && !button.disabled && document.querySelector('#tiles data')?.value > 0;
  };
  globalThis.usable = new Promise((resolve) => {
    const look = () => (ready() ? resolve(performance.now()) : requestAnimationFrame(look));
    look();
  });
}

/** Each load is a browser's first: nothing is cached, no connection is open. */
async function load(browser, address) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.addInitScript(timeToUse);
    await page.goto(address);
    return await page.evaluate(() => globalThis.usable);
  } finally {
    await context.close();
  }
}

/** The milliseconds of `times` loads; throws where there is no browser. */
async function timeLoads(address, times) {
  const browser = await launch();
  try {
    const all = [];
    for (let each = 0; each < times; each += 1) all.push(await load(browser, address));
    return all;
  } finally {
    await browser.close();
  }
}

module.exports = { timeLoads };
