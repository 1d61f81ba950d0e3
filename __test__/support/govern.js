'use strict';
// What the programs of the governor's tests are made with, and what those tests read of them.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');

const MIB = 2 ** 20;
/** No program waits longer than this for anything. */
const DEADLINE_MS = 30_000;
const EVENTS = ['pressure', 'purge', 'calm', 'limit', 'limitChange'];

/** Waits for `isSo()`, for no longer than the deadline. */
async function until(isSo, what, eachTime = () => {}) {
  const start = performance.now();
  while (!(await isSo())) {
    assert.ok(performance.now() - start < DEADLINE_MS, `${what} did not come about`);
    eachTime();
    await sleep(10);
  }
}

/** That much memory, all of it touched, in Buffers below the size from which glibc maps each by itself. */
function fill(bytes, size = MIB / 16) {
  return Array.from({ length: bytes / size }, () => Buffer.allocUnsafeSlow(size).fill(1));
}

/**
 * Empties the list of Buffers but for one in so many, and collects until V8 has let go of them. Needs
 * --expose-gc. What is kept lies between the others, so that glibc cannot return the end of its heap.
 */
async function drop(buffers, keepEach = Number.POSITIVE_INFINITY) {
  const kept = buffers.filter((_, index) => index > 0 && index % keepEach === 0);
  const bytes = buffers.reduce((sum, { length }) => sum + length, 0);
  const gone = bytes - kept.reduce((sum, { length }) => sum + length, 0);
  buffers.splice(0, buffers.length, ...kept);
  const most = process.memoryUsage().arrayBuffers - 0.9 * gone;
  await until(() => process.memoryUsage().arrayBuffers <= most, 'a collection', globalThis.gc);
}

/** Everything that a governor tells from now on, in order. */
function hear(governor) {
  const heard = [];
  for (const event of EVENTS) governor.on(event, (told) => heard.push({ event, ...told }));
  return heard;
}

/** The next event of that name. A governor keeps no process alive: here the deadline's timer does. */
async function next(governor, event) {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(new Error(`no ${event} came`)), DEADLINE_MS);
  try {
    const [told] = await once(governor, event, { signal: deadline.signal });
    return told;
  } finally {
    clearTimeout(timer);
  }
}

/** In bytes, by the kernel. */
function rss() {
  const rollup = fs.readFileSync('/proc/self/smaps_rollup', 'utf8');
  return Number(/^Rss:\s+(\d+) kB/m.exec(rollup)[1]) * 1024;
}

/** The names of this process's threads. */
function threadNames() {
  return fs.readdirSync('/proc/self/task').flatMap((id) => {
    try {
      return fs.readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim();
    } catch {
      return [];
    }
  });
}

/** How many governors' threads there are. */
const governing = () => threadNames().filter((name) => name === 'heapgap-govern').length;

/** Prints what a program has to tell, and ends it. */
function report(told) {
  process.stdout.write(JSON.stringify(told), () => process.exit(0));
}

/** Runs a program; its failure becomes an exit code. */
function main(program) {
  program(...process.argv.slice(2)).catch((error) => {
    console.error(error);
    process.exit(1);
  });
}

/** Counters are what the events sum to, wherever they are read. */
function assertCounted({ heard, state, snapshot }) {
  const { notes, ...figures } = state;
  assert.deepEqual(snapshot, figures);
  const purges = heard.filter(({ event }) => event === 'purge');
  const sum = (field) => purges.reduce((total, purge) => total + Math.max(0, purge[field]), 0);
  assert.equal(state.purges, purges.length);
  assert.equal(state.released, sum('released'));
  // Events are told to the microsecond.
  assert.ok(Math.abs(state.purgeMs - sum('durationMs')) < 0.001 * (1 + purges.length));
  assert.equal(state.flips, heard.filter(({ event }) => /^(pressure|calm)$/.test(event)).length);
  for (const purge of purges) assert.equal(purge.released, purge.rssBefore - purge.rssAfter);
}

module.exports = {
  DEADLINE_MS,
  MIB,
  assertCounted,
  drop,
  fill,
  governing,
  hear,
  main,
  next,
  report,
  rss,
  threadNames,
  until,
};
