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
  if (active) await ask(port, '/profiler/start');
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

/** Answers each round's windows by their state. */
async function measureService({ rounds, seconds, say }) {
  const services = await inTurn(Object.entries(STATES), startService);
  try {
    say('service: warming up …');
    await inTurn(services, (service) => measureWindow(service, 2 * seconds));
    return await repeat(rounds, async (round) => {
      say(`service: round ${round} of ${rounds} …`);
      const order = shuffled(services, round);
      return Object.fromEntries(await inTurn(order, (service) => measureWindow(service, seconds)));
    });
  } finally {
    await Promise.all(services.map(({ stop }) => stop()));
  }
}

module.exports = { STATES, measureService };
