'use strict';
// `npm run demo -- --serve`: an address to look at, until it is told to end.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { describe, it } = require('node:test');
const { environment, finished } = require('./support/child.js');

const DEMO = path.join(__dirname, '..', 'scripts', 'demo.js');
/** For one test. */
const DEADLINE_MS = 30_000;

/** The demo, with the address that it prints first, and its children's process ids. */
async function startDemo(t, ...args) {
  const child = spawn(process.execPath, [DEMO, '--serve', ...args], {
    env: environment(),
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: DEADLINE_MS,
  });
  t.after(() => child.kill());
  const [address] = await once(readline.createInterface({ input: child.stdout }), 'line');
  const children = fs.readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8');
  return { address, child, children: children.trim().split(' ').filter(Boolean).map(Number) };
}

async function ask(address, accept) {
  const response = await fetch(address, { headers: { accept } });
  return { status: response.status, type: response.headers.get('content-type'), response };
}

/** No process, not even one that nobody has waited for, nor its group. */
function isGone(pid) {
  return [pid, -pid].every((target) => {
    try {
      process.kill(target, 0);
      return false;
    } catch (error) {
      return error.code === 'ESRCH';
    }
  });
}

describe('npm run demo -- --serve', () => {
  for (const [signal, args, allocator] of [
    ['SIGTERM', [], 'jemalloc'],
    ['SIGINT', ['--allocator', 'libc', '--plant', 'leak'], 'libc'],
  ]) {
    const title = ['serves a page', ...args, `until ${signal}`].join(' ');
    it(title, { timeout: DEADLINE_MS }, async (t) => {
      const { address, child, children } = await startDemo(t, ...args);
      assert.match(address, /^http:\/\/127\.0\.0\.1:\d+\/debug\/memory$/);

      const page = await ask(address, 'text/html');
      assert.equal(page.status, 200);
      assert.match(page.type, /^text\/html/);
      await page.response.text();

      const figures = await ask(address, 'application/json');
      const { rss, allocator: live } = await figures.response.json();
      assert.ok(rss > 0);
      assert.equal(live.name === 'jemalloc', allocator === 'jemalloc', live.name);

      assert.equal(children.length, 1);
      const exited = once(child, 'exit');
      child.kill(signal);
      assert.deepEqual(await exited, [0, null]);
      assert.ok(isGone(children[0]), `${children[0]} is left`);
    });
  }

  it('ends with the service', { timeout: DEADLINE_MS }, async (t) => {
    const { child, children } = await startDemo(t);
    const exited = once(child, 'exit');
    process.kill(children[0], 'SIGKILL');
    assert.deepEqual(await exited, [1, null]);
  });

  for (const [args, says] of [
    [['--plant', 'leak'], /--plant goes with --serve/],
    [['--serve', '--plant', 'tree'], /--plant takes none, leak, fragmentation; not tree/],
    [['--serve', '--allocator', 'mimalloc'], /--allocator takes jemalloc, libc; not mimalloc/],
    [['--port', '3000'], /--port/],
    [['serve'], /serve/],
  ]) {
    it(`refuses ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await finished(process.execPath, [DEMO, ...args]);
      assert.equal(code, 2);
      assert.equal(stdout, '');
      assert.match(stderr, says);
      assert.match(stderr, /npm run demo -- --serve/);
    });
  }
});
