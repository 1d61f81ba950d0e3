'use strict';
// Grows to 1 GiB of RSS and 5,000 mappings, inspects, and prints how long the event loop was held.

const { readFileSync } = require('node:fs');
const { setTimeout: rest } = require('node:timers/promises');
const heapgap = require('../..');
const { grow } = require('./grow.js');
const { longestDelay, watchLoop } = require('./timing.js');

const RSS = 2 ** 30;
const MAPPINGS = 5000;
const ROUNDS = 5;

const held = [];

const countMappings = () => readFileSync('/proc/self/maps', 'latin1').split('\n').length - 1;

/** Each WebAssembly memory is a mapping, and its reservation another. */
function splitAddressSpace() {
  while (countMappings() < MAPPINGS) {
    for (let count = 0; count < 100; count++) {
      const memory = new WebAssembly.Memory({ initial: 1 });
      new Uint8Array(memory.buffer)[0] = 1;
      held.push(memory);
    }
  }
}

/** One inspection, and as long without one. */
async function round() {
  const { delayMs, durationMs, answer } = await watchLoop(() => heapgap.inspect());
  const { ledger, mappings } = answer;
  const idleDelayMs = await longestDelay(rest(durationMs));
  const unattributed = ledger.parts.unattributed.bytes / ledger.rss;
  return { delayMs, idleDelayMs, durationMs, rss: ledger.rss, count: mappings.count, unattributed };
}

async function main() {
  held.push(grow(RSS));
  splitAddressSpace();
  globalThis.gc();
  await rest(500);
  await heapgap.inspect();
  const rounds = [];
  while (rounds.length < ROUNDS) rounds.push(await round());
  process.stdout.write(JSON.stringify(rounds));
}

main();
