'use strict';
// What profiles cost a service: two processes that differ in that alone, on one CPU, each under the same load at the same time.
// What else the machine does hits both.

const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { inTurn, repeat } = require('../child.js');
const { ask, load } = require('../load.js');
const { shuffled } = require('../order.js');
const { MIB, end, ending, newGroup, portOf, start } = require('../process.js');
const { NAMED, POSSIBLE, WITHOUT } = require('./ways.js');

const SERVICE = path.join(__dirname, '..', 'children', 'cost-service.js');
const MEMORY = 512 * MIB;
const SETTLE_MS = 300;
const ONE_CPU = ['taskset', '--cpu-list', '0'];

const BASE = { words: WITHOUT, active: false };
/** What is held against `BASE`, by name. The first is the same once more, and shows the noise. */
const STATES = {
  again: BASE,
  possible: { words: POSSIBLE, active: false },
  active: { words: POSSIBLE, active: true },
  named: { words: NAMED, active: true },
};

/** A process that is idle but for its windows. */
async function startService({ words, active }) {
  const group = newGroup({ memory: MEMORY });
  const service = start([...ONE_CPU, ...words, process.execPath, SERVICE], group);
  const port = await portOf(service);
  if (port === null) throw new Error(`the service ${ending(await service.exited)}`);
  if (active) await ask(port, '/profiler/start');
  return { port, stop: () => end(service).then(group.remove) };
}

function difference(before, after) {
  const requests = after.answered - before.answered;
  return {
    perSecond: (requests * 1e3) / (after.atMs - before.atMs),
    cpuMs: (after.cpuMs - before.cpuMs) / requests,
  };
}

/** One window of both at once. */
async function measurePair(base, service, seconds) {
  const both = [base, service];
  const figures = () => Promise.all(both.map(({ port }) => ask(port, '/figures')));
  const stops = both.map(({ port }) => load(port));
  await sleep(SETTLE_MS);
  const before = await figures();
  await sleep(seconds * 1000);
  const after = await figures();
  await Promise.all(stops.map((stop) => stop()));
  const [without, held] = both.map((_, index) => difference(before[index], after[index]));
  return { without, held };
}

/** Answers each round's pairs by their state. */
async function measureService({ rounds, seconds, say }) {
  const base = await startService(BASE);
  const services = await inTurn(Object.entries(STATES), async ([name, state]) => ({
    name,
    ...(await startService(state)),
  }));
  try {
    say('service: warming up …');
    await inTurn(services, (service) => measurePair(base, service, seconds));
    return await repeat(rounds, async (round) => {
      say(`service: round ${round} of ${rounds} …`);
      const pairs = await inTurn(shuffled(services, round), async (service) => [
        service.name,
        await measurePair(base, service, seconds),
      ]);
      return Object.fromEntries(pairs);
    });
  } finally {
    await Promise.all([base, ...services].map(({ stop }) => stop()));
  }
}

module.exports = { measureService };
