'use strict';

// Makes docs/page-*.png: the page of the demo's service with a planted fragmentation, and with a planted leak, on a
// desktop and on a phone, light and dark. Needs Chromium, and to be allowed to make memory cgroups.

const { spawn } = require('node:child_process');
const path = require('node:path');
const readline = require('node:readline');
const { setTimeout: sleep } = require('node:timers/promises');

const sharp = require('sharp');
const { launch } = require('../__test__/support/browser.js');
const { createCgroup, inCgroup } = require('../__test__/support/cgroup.js');

const ROOT = path.join(__dirname, '..');
const DOCS = path.join(ROOT, 'docs');
const LIMIT = 512 * 2 ** 20;
/** What growth is judged by takes a while. */
const VERDICT_MS = 180_000;
/** For more to be seen on the charts than the beginning. */
const MORE_MS = 45_000;

const VERDICTS = { fragmentation: 'pinned-fragmentation', leak: 'external-buffers' };
const DESKTOP = { width: 1280, height: 1560 };
const PHONE = { width: 390, height: 1560 };

/** What is shown, by the fault that is planted. */
const SHOTS = {
  fragmentation: [
    { name: 'page', viewport: DESKTOP, colorScheme: 'light' },
    { name: 'page-phone-dark', viewport: PHONE, colorScheme: 'dark' },
  ],
  leak: [
    { name: 'page-dark', viewport: DESKTOP, colorScheme: 'dark' },
    { name: 'page-phone', viewport: PHONE, colorScheme: 'light' },
  ],
};

const say = (text) => process.stderr.write(`${text}\n`);

/** The demo's service under its load, in a group with a limit; the address of its page. */
async function startDemo(group, plant) {
  const words = [process.execPath, 'scripts/demo.js', '--serve', '--plant', plant];
  const child = spawn('/bin/sh', inCgroup(group, words), {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = readline.createInterface({ input: child.stdout });
  const { value: address } = await lines[Symbol.asyncIterator]().next();
  return { child, address };
}

async function openPage(browser, address, { viewport, colorScheme }) {
  const context = await browser.newContext({ viewport, colorScheme });
  const page = await context.newPage();
  await page.goto(address);
  return page;
}

const hasVerdict = (page, plant) =>
  page.locator('.headline code', { hasText: VERDICTS[plant] }).waitFor({ timeout: VERDICT_MS });

async function purge(page) {
  await page.getByRole('button', { name: 'Purge' }).click();
  await page.locator('#purge-said .headline').waitFor();
  // And one more sample, which has it.
  await page.locator('#events li').first().waitFor();
}

async function shoot(page, { name }, plant) {
  await hasVerdict(page, plant);
  const drawn = await page.screenshot();
  const file = path.join(DOCS, `${name}.png`);
  await sharp(drawn).png({ palette: true, compressionLevel: 9 }).toFile(file);
  say(`${path.relative(ROOT, file)}: ${plant}`);
}

async function shootAll(browser, plant) {
  const group = createCgroup({ memory: LIMIT });
  const { child, address } = await startDemo(group, plant);
  try {
    say(`${plant}: ${address}, until the verdict is ${VERDICTS[plant]} …`);
    const pages = [];
    for (const shot of SHOTS[plant]) pages.push(await openPage(browser, address, shot));
    await hasVerdict(pages[0], plant);
    say(`${plant}: ${MORE_MS / 1000} s more …`);
    await sleep(MORE_MS);
    await purge(pages[0]);
    for (const [i, shot] of SHOTS[plant].entries()) await shoot(pages[i], shot, plant);
  } finally {
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGTERM');
    await ended;
    group.remove();
  }
}

async function main() {
  const browser = await launch();
  try {
    for (const plant of Object.keys(SHOTS)) await shootAll(browser, plant);
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(`screenshots: ${error.message}`);
  process.exitCode = 1;
});
