'use strict';
// A service that does what services do, with 400 requests at a time, at a limit that it does not survive
// without a governor.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const http = require('node:http');
const path = require('node:path');
const { test } = require('node:test');
const { preload } = require('./support/allocators.js');
const { inCgroup, makeCgroup } = require('./support/cgroup.js');
const { environment } = require('./support/child.js');
const { MIB } = require('./support/govern.js');

const SERVICE = path.join(__dirname, '..', 'bench', 'children', 'burst-service.js');
const GOVERN = path.join(__dirname, 'children', 'govern-preload.js');
const CLIENTS = 400;
const REQUESTS = 12_000;
/**
 * Without a limit, the service takes 357 to 382 MiB on the article's configuration, and 289 to 317 MiB where
 * other programs have both CPUs. With a governor, at this limit, it took 183 to 195 MiB.
 */
const LIMIT = 240 * MIB;

function answered(port, agent) {
  return new Promise((resolve, reject) => {
    http
      .get({ port, agent }, (response) => response.resume().on('end', resolve).on('error', reject))
      .on('error', reject);
  });
}

/** Asks until so many answers have come, or the service has ended. Answers how many came. */
async function load(port, isOver) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS });
  let asked = 0;
  let done = 0;
  const client = async () => {
    while (asked < REQUESTS && !isOver()) {
      asked += 1;
      try {
        await answered(port, agent);
        done += 1;
      } catch (error) {
        // Only a service that was killed may leave a request without an answer.
        await new Promise((resolve) => setTimeout(resolve, 100));
        if (!isOver()) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  agent.destroy();
  return done;
}

/** Has the service answer in a group of its own; `null` where there can be none. */
async function serve(t, libraries, settings, nodeArgs) {
  const group = makeCgroup(t, LIMIT);
  if (group === null) return null;
  const words = [`LD_PRELOAD=${libraries}`, `MALLOC_CONF=${settings}`];
  const command = ['env', ...words, process.execPath, ...nodeArgs, SERVICE];
  const child = spawn('/bin/sh', inCgroup(group, command), {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: environment(),
  });
  t.after(() => child.kill('SIGKILL'));
  const exit = once(child, 'exit');
  const isOver = () => child.exitCode !== null || child.signalCode !== null;
  const [line] = await once(child.stdout, 'data');
  const done = await load(Number(line), isOver);
  if (!isOver() && nodeArgs.length > 0) {
    child.send('state');
    const [state] = await once(child, 'message');
    child.kill('SIGKILL');
    await exit;
    return { done, killed: false, state };
  }
  const killed = isOver();
  child.kill('SIGKILL');
  await exit;
  return { done, killed, signal: child.signalCode };
}

const CONFIGURATIONS = [['jemalloc 5.3.0', 'background_thread:true,metadata_thp:auto']];

for (const [name, settings] of CONFIGURATIONS) {
  test(`${name}: a service survives where it is killed without a governor`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const plain = await serve(t, libraries, settings, []);
    if (plain === null) return;
    assert.equal(plain.killed, true, `it survived ${plain.done} requests`);
    assert.equal(plain.signal, 'SIGKILL');
    const governed = await serve(t, libraries, settings, ['--require', GOVERN]);
    assert.equal(governed.killed, false, `it was killed after ${governed.done} requests`);
    assert.equal(governed.done, REQUESTS);
    assert.ok(governed.state.purges > 0);
    assert.equal(governed.state.limit, LIMIT);
    assert.equal(governed.state.oomKills, 0);
  });
}
