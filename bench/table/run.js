'use strict';
// One run: a workload's service in a cgroup of its own, under open-loop load from outside of it.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { MIB, counted, cpuMsOf, end, newGroup, outcome, portOf, start, track } = require('../process.js');

const SERVE = path.join(__dirname, '..', 'services', 'serve.js');
const LOAD = path.join(__dirname, 'load.js');
const SAMPLE_MS = 250;
/** Seconds after the load at which RSS is read. */
const RESTS = [15, 60];

function statusOf({ child }) {
  const status = fs.readFileSync(`/proc/${child.pid}/status`, 'utf8');
  const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)[1]) / 1024;
  return { rssMb: of('VmRSS'), peakMb: of('VmHWM') };
}

const env = (variables) => (variables.length > 0 ? ['env', ...variables] : []);

/** The words that start a workload's service under a contender. */
const wordsOf = ({ contender, workload, variables = [] }) => [
  ...env([...(workload.env ?? []), ...variables]),
  ...contender.words,
  ...[process.execPath, ...(workload.flags ?? []), SERVE, workload.name, ...workload.words],
];

/** RSS every now and then from `started` on, until `stop`. */
function record(service, started) {
  const series = [];
  const look = () => {
    try {
      series.push([(performance.now() - started) / 1000, statusOf(service).rssMb]);
    } catch {
      // It has ended.
    }
  };
  const timer = setInterval(look, SAMPLE_MS);
  look();
  return { series, stop: () => clearInterval(timer) };
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
  if (survived) return JSON.parse((await said).join(''));
  child.kill('SIGKILL');
  await finished;
  return null;
}

/** What a service that did not survive leaves. */
async function died(service, group) {
  const how = await service.exited;
  const figures = counted(group);
  return { outcome: outcome(how, figures), said: how.said.trim(), peakMb: figures.peakMb };
}

/** RSS when it has rested, and what the service then says of itself. */
async function restOf(service, port, rests) {
  const afterMb = {};
  let waited = 0;
  let gapAfter = null;
  for (const seconds of rests) {
    await sleep((seconds - waited) * 1000);
    waited = seconds;
    afterMb[seconds] = statusOf(service).rssMb;
    if (seconds === rests[0]) gapAfter = (await figuresOf(port)).gap;
  }
  return { afterMb, gapAfter, last: await figuresOf(port) };
}

/**
 * Puts the load on a new service. Answers when the load is over with `rested`, a promise of the figures, for which the
 * service has to rest; others may run meanwhile. Of `limitMb` the group dies.
 */
async function run({ contender, workload, bursts, limitMb, rests = RESTS, variables }) {
  const group = newGroup({ memory: limitMb * MIB });
  const service = start(wordsOf({ contender, workload, variables }), group);
  const finish = async () => {
    await end(service);
    group.remove();
  };
  const port = await portOf(service);
  if (port === null) return { rested: died(service, group).finally(finish) };
  const idleMb = statusOf(service).rssMb;
  const cpuBefore = cpuMsOf(service);
  const recorded = record(service, performance.now());
  const load = await loadOn(service, port, bursts);
  if (load === null) {
    recorded.stop();
    const dead = async () => ({ ...(await died(service, group)), series: recorded.series });
    return { rested: dead().finally(finish) };
  }
  const cpuSeconds = (cpuMsOf(service) - cpuBefore) / 1000;
  const { rssMb } = statusOf(service);
  const seen = await figuresOf(port);
  const rested = async () => {
    const { afterMb, gapAfter, last } = await restOf(service, port, rests);
    recorded.stop();
    return {
      outcome: 'survived',
      idleMb,
      peakMb: statusOf(service).peakMb,
      afterMb: { 0: rssMb, ...afterMb },
      heapUsedMb: seen.heapUsed / MIB,
      gapMb: { peak: seen.gapAtPeak / MIB, after: gapAfter / MIB },
      ...load,
      cpuSeconds,
      loopDelayMs: seen.loopDelayMs,
      series: recorded.series,
      floor: last.floor,
    };
  };
  return { rested: rested().finally(finish) };
}

module.exports = { run, statusOf };
