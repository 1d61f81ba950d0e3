'use strict';
// One run: a workload's service in a cgroup of its own, under open-loop load from outside of it.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { outcome } = require('../outcomes.js');
const {
  MIB,
  counted,
  cpuMsOf,
  end,
  memoryOf,
  newGroup,
  portOf,
  resetPeak,
  start,
  track,
} = require('../process.js');
const { quantile } = require('../statistics.js');

const SERVE = path.join(__dirname, '..', 'services', 'serve.js');
const LOAD = path.join(__dirname, 'load.js');
/** How often RSS is recorded, during the load and after it. */
const SAMPLE_MS = { load: 250, rest: 1000 };
/** Seconds after the load at which RSS is read. */
const RESTS = [15, 60];

const env = (variables) => (variables.length > 0 ? ['env', ...variables] : []);

/** The words that start a workload's service under a contender. */
const wordsOf = ({ contender, workload, variables = [] }) => [
  ...env([...(workload.env ?? []), ...variables]),
  ...contender.words,
  ...[process.execPath, ...(workload.flags ?? []), SERVE, workload.name, ...workload.words],
];

/** RSS over time, as seconds and MB; `slowDown` when the load is over, then `stop`. */
function record(service) {
  const series = [];
  const started = performance.now();
  const look = () => {
    try {
      series.push([(performance.now() - started) / 1000, memoryOf(service).rssMb]);
    } catch {
      // It has ended.
    }
  };
  look();
  let timer = setInterval(look, SAMPLE_MS.load);
  const stop = () => clearInterval(timer);
  const slowDown = () => {
    stop();
    timer = setInterval(look, SAMPLE_MS.rest);
  };
  return { series, slowDown, stop };
}

async function figuresOf(port) {
  const response = await fetch(`http://127.0.0.1:${port}/figures`);
  return response.json();
}

/** What the load measured; null where the service ended meanwhile. */
async function loadOn(service, port, bursts) {
  const words = [LOAD, ...[port, bursts].map((word) => JSON.stringify(word))];
  const child = track(spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] }));
  const said = child.stdout.setEncoding('utf8').toArray();
  const finished = once(child, 'close').then(() => true);
  const survived = await Promise.race([finished, service.exited.then(() => false)]);
  if (!survived) {
    child.kill('SIGKILL');
    await finished;
    return null;
  }
  const load = JSON.parse((await said).join(''));
  const at = (share) => quantile(load.latenciesMs, share);
  return { ...load, p50Ms: at(0.5), p99Ms: at(0.99) };
}

const isOver = ({ child }) => child.exitCode !== null || child.signalCode !== null;

/** What the kernel says of a service that it kills is gone before its end is known: so long that may take. */
const END_MS = 1000;

/** Waits for the end of a service that could not be asked; throws `error` where it goes on. */
async function ended(service, error) {
  await Promise.race([service.exited, sleep(END_MS)]);
  if (!isOver(service)) throw error;
}

/** What the service has taken until now, from where its peak is counted anew; null where it has ended. */
async function begin(service) {
  try {
    const before = { idleMb: memoryOf(service).rssMb, cpuBefore: cpuMsOf(service) };
    resetPeak(service);
    return before;
  } catch (error) {
    await ended(service, error);
    return null;
  }
}

/** What a service leaves that did not survive. */
async function died(service, group, series) {
  const how = await service.exited;
  const { oomKills, peakMb } = counted(group);
  return { outcome: outcome(how, { oomKills }), said: how.said.trim(), peakMb, series };
}

/** RSS when the service has rested, and what it says of itself at these times. */
async function restOf(service, port, factor) {
  const afterMb = {};
  const seen = [];
  let waited = 0;
  for (const seconds of RESTS) {
    await sleep((seconds - waited) * 1000 * factor);
    waited = seconds;
    afterMb[seconds] = memoryOf(service).rssMb;
    seen.push(await figuresOf(port));
  }
  return { afterMb, seen };
}

/** Lets the service rest, and puts together what was measured of it. */
async function rest(service, port, { factor, recorded, load, cpuBefore }) {
  const cpuAfter = cpuMsOf(service);
  recorded.slowDown();
  const { rssMb } = memoryOf(service);
  const seen = await figuresOf(port);
  const { afterMb, seen: later } = await restOf(service, port, factor);
  recorded.stop();
  return {
    outcome: 'survived',
    peakMb: memoryOf(service).peakMb,
    afterMb: { 0: rssMb, ...afterMb },
    heapUsedMb: seen.heapUsed / MIB,
    gapMb: { peak: seen.gapAtPeak / MIB, after: later[0].gap / MIB },
    ...load,
    cpuSeconds: (cpuAfter - cpuBefore) / 1000,
    loopDelayMs: seen.loopDelayMs,
    restCpuSeconds: (cpuMsOf(service) - cpuAfter) / 1000,
    restLoopDelayMs: Math.max(...later.map(({ loopDelayMs }) => loopDelayMs)),
    series: recorded.series,
    floor: later.at(-1).floor,
  };
}

/**
 * Puts `bursts` of load on a new service whose group may have `limitMb`. Answers when the load is over, with a promise of
 * what was measured, for which the service has to rest `restFactor` × 60 s; others may run meanwhile. With a factor
 * of null it is over at once.
 */
async function run({ contender, workload, bursts, limitMb, restFactor, variables }) {
  const group = newGroup({ memory: limitMb * MIB });
  const service = start(wordsOf({ contender, workload, variables }), group);
  const finish = async () => {
    await end(service);
    group.remove();
  };
  const measured = (promise) => ({ measured: promise.finally(finish) });
  let recorded = null;
  const dead = () => {
    recorded?.stop();
    return died(service, group, recorded?.series ?? []);
  };
  const port = await portOf(service);
  if (port === null) return measured(dead());
  const before = await begin(service);
  if (before === null) return measured(dead());
  const { idleMb, cpuBefore } = before;
  recorded = record(service);
  const load = await loadOn(service, port, bursts);
  if (load === null) return measured(dead());
  if (restFactor === null) {
    recorded.stop();
    return measured(Promise.resolve({ outcome: 'survived', errors: load.errors }));
  }
  const rested = rest(service, port, { factor: restFactor, recorded, load, cpuBefore });
  // What it was asked for it could not answer any more.
  const orDead = (error) => ended(service, error).then(dead);
  return measured(rested.then((figures) => ({ idleMb, ...figures })).catch(orDead));
}

module.exports = { run };
