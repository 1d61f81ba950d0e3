'use strict';
// One run: a new process in a new memory cgroup, under two bursts of load from outside of the group.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const os = require('node:os');
const path = require('node:path');

const { outcome } = require('../outcomes.js');
const {
  MIB,
  counted,
  cpuMsOf,
  end,
  ending,
  newGroup,
  portOf,
  start,
  track,
} = require('../process.js');

const SERVICE = path.join(__dirname, '..', 'children', 'burst-service.js');
const SCRIPT = path.join(__dirname, '..', 'governor.lua');
const CONNECTIONS = 400;
/** Requests in a burst; the service changes its work after as many. */
const BURST = 1000;
/** More than a request ever waits: one that does is an error. */
const TIMEOUT_S = 20;
const DEADLINE_S = 120;

/** Some bursts of load; null if the service ends meanwhile. */
async function load(service, port, bursts) {
  const before = cpuMsOf(service);
  const words = [
    ...['--threads', '1', '--connections', String(CONNECTIONS), '--duration', `${DEADLINE_S}s`],
    ...['--timeout', `${TIMEOUT_S}s`, '--latency', '--script', SCRIPT],
    ...[`http://127.0.0.1:${port}/`, '--', ...[CONNECTIONS, bursts, BURST].map(String)],
  ];
  const wrk = track(spawn('wrk', words, { stdio: ['ignore', 'pipe', 'inherit'] }));
  let said = '';
  wrk.stdout.setEncoding('utf8').on('data', (text) => {
    said += text;
    // wrk then ends its measurement. A second one would end wrk itself.
    if (text.includes('enough')) wrk.kill('SIGINT');
  });
  const finished = once(wrk, 'close').then(() => true);
  const survived = await Promise.race([finished, service.exited.then(() => false)]);
  if (!survived) {
    wrk.kill('SIGKILL');
    await finished;
    return null;
  }
  const line = said.split('\n').find((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`wrk measured nothing: ${said}`);
  const figures = JSON.parse(line);
  const cpuMs = (cpuMsOf(service) - before) / figures.requests;
  return { ...figures, cpuMs };
}

/** What the governor says it did; null without one. */
async function governorOf(port) {
  const response = await fetch(`http://127.0.0.1:${port}/governor`);
  return response.json();
}

/** The bursts that warm up, and those that are measured, until the service ends. */
async function loadAll(service, port, bursts) {
  const measured = [];
  for (const some of bursts) {
    const figures = await load(service, port, some);
    if (figures === null) break;
    measured.push(figures);
  }
  return measured;
}

/**
 * Throughput and latencies are the last burst's: the one before it warms up. `limit` is in MB; without one
 * the group has the machine's memory.
 */
async function measure(contender, { limit, bursts, askGovernor }) {
  const group = newGroup({ memory: limit === null ? os.totalmem() : limit * MIB });
  const service = start([...contender.words, process.execPath, SERVICE], group);
  try {
    const port = await portOf(service);
    const measured = port === null ? [] : await loadAll(service, port, bursts);
    const requests = measured.reduce((sum, figures) => sum + figures.requests, 0);
    if (measured.length < bursts.length) {
      const how = await service.exited;
      const figures = { requests, ...counted(group) };
      return { outcome: outcome(how, figures), ...figures, said: how.said.trim() };
    }
    const last = measured.at(-1);
    return {
      outcome: 'survived',
      requests,
      ...counted(group),
      cpuMs: last.cpuMs,
      perSecond: last.requests / last.seconds,
      p50Ms: last.p50Ms,
      p99Ms: last.p99Ms,
      errors: measured.reduce((sum, { errors }) => sum + errors, 0),
      governor: askGovernor ? await governorOf(port) : undefined,
    };
  } finally {
    await end(service);
    group.remove();
  }
}

/**
 * Starts the contender outside of every group, where it answers once. The files that it reads are then in the
 * page cache, charged to nobody's limit. Answers why it cannot run, or null.
 */
async function dryStart(contender) {
  const service = start([...contender.words, process.execPath, SERVICE]);
  try {
    const port = await portOf(service);
    if (port === null) return ending(await service.exited);
    await fetch(`http://127.0.0.1:${port}/`);
    await governorOf(port);
    return null;
  } catch (error) {
    return error.message;
  } finally {
    await end(service).catch(() => {});
  }
}

module.exports = { BURST, CONNECTIONS, dryStart, measure, SERVICE };
