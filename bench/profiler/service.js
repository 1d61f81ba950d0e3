'use strict';
// What profiles cost a service: windows under load, of processes that differ in that alone, in turns.

const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { inTurn, repeat } = require('../child.js');
const { ask, load } = require('../load.js');
const { shuffled } = require('../order.js');
const { MIB, end, ending, newGroup, portOf, start } = require('../process.js');
const { NAMED, POSSIBLE, WITHOUT } = require('./ways.js');

const SERVICE = path.join(__dirname, '..', 'children', 'cost-service.js');
const MEMORY = 512 * MIB;
const SETTLE_MS = 200;
const WARM_UP_S = 2;

/** By name: how the process is started, and whether its profiler runs. The second one without shows the noise. */
const STATES = {
  without: { words: WITHOUT, active: false },
  again: { words: WITHOUT, active: false },
  possible: { words: POSSIBLE, active: false },
  active: { words: POSSIBLE, active: true },
  named: { words: NAMED, active: true },
};

/** A process that is idle but for its windows. */
async function startService([name, { words, active }]) {
  const group = newGroup({ memory: MEMORY });
  const service = start([...words, process.execPath, SERVICE], group);
  const port = await portOf(service);
  if (port === null) throw new Error(`the service ${ending(await service.exited)}`);
  if (active && !(await ask(port, '/profiler/start')).active)
    throw new Error(`the profiler of ${name} did not start`);
  return { name, port, stop: () => end(service).then(group.remove) };
}

async function measureWindow({ name, port }, seconds) {
  const stop = load(port);
  await sleep(SETTLE_MS);
  const before = await ask(port, '/figures');
  await sleep(seconds * 1000);
  const after = await ask(port, '/figures');
  await stop();
  const requests = after.answered - before.answered;
  const perSecond = (requests * 1e3) / (after.atMs - before.atMs);
  return [name, { perSecond, cpuMs: (after.cpuMs - before.cpuMs) / requests }];
}

/** One process for each state, and its rounds. */
async function measureSet(set, { rounds, seconds }) {
  const services = await inTurn(shuffled(Object.entries(STATES), set), startService);
  try {
    await inTurn(services, (service) => measureWindow(service, WARM_UP_S));
    return await repeat(rounds, async (round) => {
      const order = shuffled(services, set * rounds + round);
      return Object.fromEntries(await inTurn(order, (service) => measureWindow(service, seconds)));
    });
  } finally {
    await Promise.all(services.map(({ stop }) => stop()));
  }
}

/** Answers each round's windows by their state. Processes that are alike differ from each other, too: hence several sets. */
async function measureService({ sets, rounds, seconds, say }) {
  const measured = await repeat(sets, (set) => {
    say(`service: set ${set} of ${sets}, ${rounds} rounds …`);
    return measureSet(set, { rounds, seconds });
  });
  return measured.flat();
}

module.exports = { measureService };
