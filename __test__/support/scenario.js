'use strict';
// What the programs of __test__/scenarios/ are made with. Each is one cause; started by itself it lives
// through it, asks diagnose(), prints one JSON value and ends.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');
const { allocator, diagnose, snapshot, stats, watch } = require('../../index.js');

/** For `allocators`. */
const EVERY = ['glibc', 'jemalloc 5.3.0', 'jemalloc 5.3.1', 'mimalloc', 'tcmalloc'];

const MIB = 2 ** 20;
const INTERVAL_MS = 50;
/** No program waits longer than this for anything. */
const DEADLINE_MS = 30_000;

/** The name that support/allocators.js has for the allocator that is live. */
function liveAllocator() {
  const { name, version } = allocator();
  return name === 'jemalloc' ? `jemalloc ${/^\d+\.\d+\.\d+/.exec(version)[0]}` : name;
}

/** The verdicts that are right: `verdict` is one, several, or said for each allocator. */
function rightVerdicts(verdict, live = liveAllocator()) {
  if (typeof verdict === 'string') return [verdict];
  return Array.isArray(verdict) ? verdict : rightVerdicts(verdict[live] ?? verdict.others, live);
}

/** A step takes the rest: so much is done in that time at least, on a busy machine too. */
const STEP_MS = 70;

/** Does `step(round)` between samples of a watch, for that long or longer. The watch is for diagnose(). */
async function watched(durationMs, step, leastRounds = durationMs / STEP_MS) {
  const window = watch({ intervalMs: INTERVAL_MS });
  const isDone = (rounds) => window.durationMs >= durationMs && rounds >= leastRounds;
  for (let round = 0; !isDone(round); round++) {
    await step(round);
    window.sample();
    await sleep(INTERVAL_MS);
  }
  window.stop();
  return window;
}

/** Waits for `isSo()`, for no longer than the deadline. */
async function until(isSo, what, eachTime = () => {}) {
  const start = performance.now();
  while (!isSo()) {
    assert.ok(performance.now() - start < DEADLINE_MS, `${what} did not come about`);
    eachTime();
    await sleep(10);
  }
}

/** Lets V8 collect what nothing refers to: makes garbage until Buffers of the program are down to `bytes`. */
async function collected(bytes) {
  const garbage = () => Array.from({ length: 200_000 }, (_, index) => ({ index }));
  await until(() => process.memoryUsage().arrayBuffers <= bytes, 'a collection', garbage);
}

/** As much memory as `length` of that many bytes, all of it touched. */
const buffers = (length, bytes) => Array.from({ length }, () => Buffer.alloc(bytes, 1));

/** What is known of a part is met up to a tenth, and what Node.js has itself. */
const isMet = (bytes, known) => bytes >= 0.9 * known && bytes <= 1.1 * known + 16 * MIB;

function problemsOf({ ledger, verdict, findings }, { expected, known = {}, maxUnattributed }) {
  const parts = Object.entries(ledger.parts);
  const told = parts.filter(([, { bytes }]) => bytes !== null);
  const sum = told.reduce((total, [, { bytes }]) => total + bytes, 0);
  const problems = [];
  if (!expected.includes(verdict))
    problems.push(`verdict ${verdict}, not ${expected.join(' or ')}`);
  if (expected.includes('healthy') && findings.some(({ severity }) => severity !== 'info')) {
    problems.push(`findings ${findings.map(({ code }) => code).join(', ')} in a healthy process`);
  }
  if (sum !== ledger.rss) problems.push(`the parts sum to ${sum}, RSS is ${ledger.rss}`);
  for (const [name, { bytes }] of told) if (bytes < 0) problems.push(`${name} is ${bytes}`);
  for (const [name, bytes] of Object.entries(known)) {
    const part = ledger.parts[name].bytes;
    if (!isMet(part, bytes))
      problems.push(`${name} is ${part}, and ${bytes} are known to be in it`);
  }
  const { rss } = process.memoryUsage();
  if (!isMet(ledger.rss, rss))
    problems.push(`the ledger's RSS is ${ledger.rss}, Node.js says ${rss}`);
  const share = (ledger.parts.unattributed.bytes ?? ledger.rss) / ledger.rss;
  if (share > maxUnattributed) problems.push(`${(100 * share).toFixed(1)} % is unattributed`);
  return problems;
}

/** How much of RSS may have no name. */
const MAX_UNATTRIBUTED = { 'jemalloc 5.3.0': 0.05, 'jemalloc 5.3.1': 0.05 };
const MAX_UNATTRIBUTED_ELSEWHERE = 0.1;

async function run({ load, verdict, variants = {} }, variant) {
  const start = performance.now();
  const tools = { MIB, buffers, collected, once, snapshot, stats, until, variant, watched };
  // Held until the end: what is kept is the cause.
  const kept = await load(tools);
  const live = liveAllocator();
  const diagnosis = await diagnose(kept?.window === undefined ? {} : { window: kept.window });
  const expected = rightVerdicts(variants[variant]?.verdict ?? verdict, live);
  const { findings, ledger, summary, window } = diagnosis;
  const report = {
    allocator: live,
    expected,
    verdict: diagnosis.verdict,
    problems: problemsOf(diagnosis, {
      expected,
      known: kept?.known,
      maxUnattributed: MAX_UNATTRIBUTED[live] ?? MAX_UNATTRIBUTED_ELSEWHERE,
    }),
    summary,
    findings,
    ledger,
    window,
    durationMs: Math.round(performance.now() - start),
    kept: kept === undefined ? 0 : Object.keys(kept).length,
  };
  process.stdout.write(JSON.stringify(report), () => process.exit(0));
}

/**
 * Makes a program of a description, and gives the description to whoever requires it:
 * - `cause`: in words; `load(tools)`: lives through it, answers what is to be kept: `window`, if it watched,
 *   and `known`, bytes that have to be in a part of the ledger;
 * - `verdict`: the code that is right, several, or `{ <allocator>: …, others: … }`;
 * - `allocators`: under which it is run: glibc and the jemallocs by default;
 * - `environment`, `memory` (a cgroup's limit): what it is started with;
 * - `variants`: by name, what differs from the above; `alsoPreload`: allocators that come second and serve nothing.
 */
function scenario(module, description) {
  module.exports = description;
  if (require.main !== module) return;
  run(description, process.argv[2] ?? '').catch((error) => {
    console.error(error);
    process.exit(1);
  });
}

module.exports = { EVERY, scenario };
