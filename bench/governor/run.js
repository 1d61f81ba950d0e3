'use strict';
// One run: a new process in a new memory cgroup, under two bursts of load from outside of the group.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');

const { createCgroup, inCgroup } = require('../../__test__/support/cgroup.js');

const MIB = 2 ** 20;
const SERVICE = path.join(__dirname, '..', 'children', 'burst-service.js');
const SCRIPT = path.join(__dirname, '..', 'governor.lua');
const CONNECTIONS = 400;
/** Requests in a burst; the service changes its work after as many. */
const BURST = 1000;
/** More than a request ever waits: one that does is an error. */
const TIMEOUT_S = 20;
const DEADLINE_S = 120;
/** The kernel tells times in hundredths of a second, whatever its own clock (USER_HZ). */
const MS_PER_TICK = 10;
/** A service that has not begun to listen by then never will. */
const START_MS = 20_000;

/** What is under way, for `cleanUp`. */
const processes = new Set();
const groups = new Set();

/** The environment without what another allocator, or another limit of V8's, would come from. */
function environment() {
  const tuned = /^(LD_PRELOAD|MALLOC_.*|GLIBC_TUNABLES|NODE_OPTIONS|UV_.*|HEAPGAP_.*)$/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !tuned.test(name)));
}

/** Remembers the process until it has ended. */
function track(child) {
  processes.add(child);
  const forget = () => processes.delete(child);
  child.once('close', forget).once('error', forget);
  return child;
}

/** Starts the words, in the group if there is one. `exited` resolves with how it ended. */
function start(words, group) {
  const options = { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] };
  // The shell that enters the group does so on the libc's own allocator.
  const child = group
    ? track(spawn('/bin/sh', inCgroup(group, words), options))
    : track(spawn(words[0], words.slice(1), options));
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  const exited = once(child, 'close').then(([code, signal]) => ({ code, signal, said }));
  // spawn itself fails: nothing was started.
  exited.catch(() => {});
  return { child, exited };
}

const ending = ({ code, signal, said }) => `ended with ${signal ?? code}: ${said.trim()}`;

/** The port that the service prints; null if it ends before. */
async function portOf({ child, exited }) {
  const lines = readline.createInterface({ input: child.stdout });
  const late = setTimeout(() => child.kill('SIGKILL'), START_MS);
  const first = once(lines, 'line').then(([text]) => Number(text));
  const port = await Promise.race([first, exited.then(() => null)]);
  clearTimeout(late);
  return port;
}

async function end({ child, exited }) {
  child.kill('SIGKILL');
  await exited;
}

/** Clock ticks on a CPU, in user mode and in the kernel: proc(5), stat. */
function ticksOf({ child }) {
  const stat = fs.readFileSync(`/proc/${child.pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** Some bursts of load; null if the service ends meanwhile. */
async function load(service, port, bursts) {
  const before = ticksOf(service);
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
  const cpuMs = ((ticksOf(service) - before) * MS_PER_TICK) / figures.requests;
  return { ...figures, cpuMs };
}

/** What the kernel counted of the group, by either version. */
function counted({ folder, v1 }) {
  const read = (name) => fs.readFileSync(path.join(folder, name), 'utf8');
  const events = read(v1 ? 'memory.oom_control' : 'memory.events');
  return {
    oomKills: Number(/^oom_kill (\d+)$/m.exec(events)[1]),
    peakMb: Number(read(v1 ? 'memory.max_usage_in_bytes' : 'memory.peak')) / MIB,
  };
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

function outcome({ code, signal }, { oomKills }) {
  if (signal === 'SIGKILL' && oomKills > 0) return 'killed';
  return code === null ? `ended by ${signal}` : `exited with ${code}`;
}

/**
 * Throughput and latencies are the last burst's: the one before it warms up. `limit` is in MB; without one
 * the group has the machine's memory.
 */
async function measure(contender, { limit, bursts, askGovernor }) {
  const group = createCgroup({ memory: limit === null ? os.totalmem() : limit * MIB });
  const service = start([...contender.words, process.execPath, SERVICE], group);
  groups.add(group);
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
    groups.delete(group);
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

/** Ends what is under way. */
async function cleanUp() {
  const ended = [...processes].map(async (child) => {
    child.kill('SIGKILL');
    await once(child, 'close');
  });
  await Promise.all(ended);
  for (const group of groups) group.remove();
}

module.exports = { BURST, CONNECTIONS, cleanUp, dryStart, end, measure, portOf, SERVICE, start };
