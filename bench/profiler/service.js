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
const ONE_CPU = ['taskset', '--cpu-list', '0'];

const BASE = { words: WITHOUT, active: false };
/** What is held against `BASE`, by name. The first is the same once more, and shows the noise. */
const STATES = {
  again: BASE,
  possible: { words: POSSIBLE, active: false },
  active: { words: POSSIBLE, active: true },
  named: { words: NAMED, active: true },
};

async function startService({ words, active }) {
  const group = newGroup({ memory: MEMORY });
  const service = start([...ONE_CPU, ...words, process.execPath, SERVICE], group);
  const port = await portOf(service);
  if (port === null) throw new Error(`the service ${ending(await service.exited)}`);
  if (active && !(await ask(port, '/profiler/start')).active)
    throw new Error('the profiler did not start');
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
async function measureWindow(services, { warmUp, seconds }) {
  const figures = () => Promise.all(services.map(({ port }) => ask(port, '/figures')));
  const stops = services.map(({ port }) => load(port));
  await sleep(warmUp * 1000);
  const before = await figures();
  await sleep(seconds * 1000);
  const after = await figures();
  await Promise.all(stops.map((stop) => stop()));
  return services.map((_, index) => difference(before[index], after[index]));
}

/** New processes each time: two that are alike differ by some percent for as long as they live. */
async function measurePair(state, times, isFirst) {
  const states = isFirst ? [state, BASE] : [BASE, state];
  const services = await inTurn(states, startService);
  try {
    const windows = await measureWindow(services, times);
    const [held, without] = isFirst ? windows : windows.reverse();
    return { held, without };
  } finally {
    await Promise.all(services.map(({ stop }) => stop()));
  }
}

/** Answers each round's pairs by their state. */
const measureService = ({ rounds, say, ...times }) =>
  repeat(rounds, async (round) => {
    say(`service: round ${round} of ${rounds} …`);
    const order = shuffled(Object.entries(STATES), round);
    const pairs = await inTurn(order, async ([name, state]) => [
      name,
      await measurePair(state, times, round % 2 === 0),
    ]);
    return Object.fromEntries(pairs);
  });

module.exports = { measureService };
