'use strict';
// What those who look cost one service: CPU, by windows with some and with none in turn, and its event loop.

const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { inTurn } = require('../child.js');
const { shuffled } = require('../order.js');
const { end, portOf, start } = require('../process.js');
const { Viewers } = require('./viewers.js');

const SERVICE = path.join(__dirname, '..', 'children', 'viewer-service.js');
const COUNTS = [0, 1, 2, 8];
/** Holds some diagnoses of a small service; of a large one the next may be 30 s away. */
const WINDOW_MS = 12_000;
/** Holds one sample, nearly always, and where there are more of these, a diagnosis in some. */
const HOLD_MS = 1000;

async function ask(port, where) {
  const response = await fetch(`http://127.0.0.1:${port}${where}`);
  if (!response.ok) throw new Error(`${where} answered ${response.status}`);
  return response.json();
}

/** The share of one core that the service takes, and what each viewer got meanwhile. */
async function measureWindow(port, viewers) {
  const before = await ask(port, '/figures');
  const samplesBefore = viewers.samples();
  const bytesBefore = viewers.bytes();
  await sleep(WINDOW_MS);
  const after = await ask(port, '/figures');
  const seconds = (after.atMs - before.atMs) / 1e3;
  return {
    percent: (after.cpuMs - before.cpuMs) / seconds / 10,
    samplesPerSecond: viewers.samples().map((count, i) => (count - samplesBefore[i]) / seconds),
    kbPerSecond: bytesBefore === null ? null : (viewers.bytes() - bytesBefore) / seconds / 1e3,
    rss: after.rss,
  };
}

async function measureHolds(port, count) {
  const holds = Array.from({ length: count });
  return inTurn(holds, async () => (await ask(port, `/hold?ms=${HOLD_MS}`)).holdMs);
}

async function measureRound(port, viewers, round, holds) {
  const windows = await inTurn(shuffled(COUNTS, round), async (count) => {
    await viewers.set(count);
    const window = await measureWindow(port, viewers);
    // They spin, and so come after the window that counts CPU.
    return { count, ...window, holdsMs: await measureHolds(port, holds) };
  });
  return windows.sort((a, b) => a.count - b.count);
}

/** For each round its windows, by the number of viewers. `words` come before `node`. */
async function measureCpu({ words, bytes, rounds, holds }) {
  const service = start([...words, process.execPath, '--expose-gc', SERVICE, String(bytes)]);
  try {
    const port = await portOf(service);
    if (port === null) throw new Error('the service ended before it listened');
    const viewers = new Viewers(port);
    const numbers = Array.from({ length: rounds }, (_, i) => i + 1);
    return await inTurn(numbers, (round) => measureRound(port, viewers, round, holds));
  } finally {
    await end(service);
  }
}

/** The page of a service on the libc's allocator. */
async function withPage(work) {
  const service = start([process.execPath, '--expose-gc', SERVICE, '0']);
  try {
    return await work(`http://127.0.0.1:${await portOf(service)}/debug/memory`);
  } finally {
    await end(service);
  }
}

module.exports = { COUNTS, measureCpu, withPage };
