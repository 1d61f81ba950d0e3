'use strict';
// What all of heapgap costs a service: windows with the route polled each second and the governor on, in turn with
// windows without either, in one process under one load that never pauses.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { inTurn } = require('../child.js');
const { ask, load } = require('../load.js');
const { MIB, end, ending, newGroup, portOf, start, track } = require('../process.js');
const { spread } = require('../statistics.js');
const { underHeapgap } = require('./configuration.js');

const SERVICE = path.join(__dirname, '..', 'children', 'cost-service.js');
const POLL = path.join(__dirname, '..', 'children', 'poll.js');
const MEMORY = 512 * MIB;
/** So that what drifts favours neither. */
const BLOCK = [false, true, true, false];
const FULL = { blocks: 36, seconds: 2, warmUp: 4 };
const QUICK = { blocks: 2, seconds: 1, warmUp: 2 };
/** After each turn. */
const SETTLE_MS = 100;
const OK = 200;

/** Another process that asks for the route. */
function startPoller(port) {
  const child = track(fork(POLL, [`http://127.0.0.1:${port}/debug/memory`]));
  const gone = once(child, 'exit').then(() => {
    throw new Error('what polls the route has ended');
  });
  gone.catch(() => {});
  return {
    async poll() {
      child.send('poll');
      const [status] = await Promise.race([once(child, 'message'), gone]);
      if (status !== OK) throw new Error(`the route answered ${status}`);
    },
    // Disconnected, it would never emit 'close', which `cleanUp` waits for.
    stop: () => child.kill(),
  };
}

/** A second, with the route polled in its middle. */
async function second(poller, on) {
  await sleep(500);
  if (on) await poller.poll();
  await sleep(500);
}

async function measureWindow({ port, poller }, on, seconds) {
  await ask(port, on ? '/turn/on' : '/turn/off');
  await sleep(SETTLE_MS);
  const before = await ask(port, '/figures');
  for (let passed = 0; passed < seconds; passed++) await second(poller, on);
  const after = await ask(port, '/figures');
  const requests = after.answered - before.answered;
  return {
    on,
    perSecond: (requests * 1e3) / (after.atMs - before.atMs),
    cpuMs: (after.cpuMs - before.cpuMs) / requests,
  };
}

async function measureWindows(port, { blocks, seconds, warmUp }, say) {
  const poller = startPoller(port);
  const service = { port, poller };
  const stop = load(port);
  try {
    say('service: warming up …');
    await measureWindow(service, true, warmUp);
    const order = Array.from({ length: blocks }, () => BLOCK).flat();
    let measured = 0;
    return await inTurn(order, (on) => {
      measured += 1;
      if (measured % BLOCK.length === 1) say(`service: window ${measured} of ${order.length} …`);
      return measureWindow(service, on, seconds);
    });
  } finally {
    poller.stop();
    await stop();
  }
}

/** Of each two neighbouring windows that `wanted` takes: the second ÷ the first, or `on` ÷ off. */
function ratios(windows, figure, wanted) {
  const pairs = windows.slice(1).map((later, index) => [windows[index], later]);
  return pairs
    .filter(([a, b]) => wanted(a.on, b.on))
    .map(([a, b]) => {
      const ratio = b[figure] / a[figure];
      return a.on && !b.on ? 1 / ratio : ratio;
    });
}

const differ = (a, b) => a !== b;
const bothOff = (a, b) => !a && !b;

function summarize(windows, seconds) {
  const of = (figure, on) =>
    spread(windows.filter((one) => one.on === on).map((one) => one[figure]));
  return {
    windows: windows.length,
    windowSeconds: seconds,
    perSecond: { off: of('perSecond', false), on: of('perSecond', true) },
    cpuMsPerRequest: { off: of('cpuMs', false), on: of('cpuMs', true) },
    throughputRatio: spread(ratios(windows, 'perSecond', differ)),
    cpuRatio: spread(ratios(windows, 'cpuMs', differ)),
    noiseRatio: spread(ratios(windows, 'perSecond', bothOff)),
  };
}

async function measureService({ quick, say }) {
  const plan = quick ? QUICK : FULL;
  const group = newGroup({ memory: MEMORY });
  const service = start([...underHeapgap(), process.execPath, SERVICE], group);
  try {
    const port = await portOf(service);
    if (port === null) throw new Error(`the service ${ending(await service.exited)}`);
    return summarize(await measureWindows(port, plan, say), plan.seconds);
  } finally {
    await end(service);
    group.remove();
  }
}

module.exports = { measureService };
