'use strict';
// Services that benchmarks start, each in a memory cgroup of its own, and what the kernel says of them.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');

const { createCgroup, inCgroup } = require('../__test__/support/cgroup.js');

const MIB = 2 ** 20;
/** The kernel tells times in hundredths of a second, whatever its own clock (USER_HZ). */
const MS_PER_TICK = 10;
/** A service that has not begun to listen by then never will. */
const START_MS = 20_000;

/** What is under way, for `cleanUp`. */
const processes = new Set();
const groups = new Set();
/** What begins after `cleanUp` would be left behind. */
let isOver = false;

/** The environment without what another allocator, or another limit of V8's, would come from. */
function environment() {
  const tuned = /^(LD_PRELOAD|MALLOC_.*|GLIBC_TUNABLES|NODE_OPTIONS|UV_.*|HEAPGAP_.*)$/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !tuned.test(name)));
}

/** Remembers the process until it has ended. */
function track(child) {
  if (isOver) child.kill('SIGKILL');
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

/** Milliseconds on a CPU, in user mode and in the kernel: proc(5), stat. */
function cpuMsOf({ child }) {
  const stat = fs.readFileSync(`/proc/${child.pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

/** RSS now, and its peak since the program began or `resetPeak`: proc_pid_status(5). */
function memoryOf({ child }) {
  const status = fs.readFileSync(`/proc/${child.pid}/status`, 'utf8');
  const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)[1]) / 1024;
  return { rssMb: of('VmRSS'), peakMb: of('VmHWM') };
}

/** Makes the peak of RSS that of now: proc_pid_clear_refs(5). Takes a kernel with CONFIG_PROC_PAGE_MONITOR. */
function resetPeak({ child }) {
  fs.writeFileSync(`/proc/${child.pid}/clear_refs`, '5');
}

/** What the kernel counted of the group, by either version. */
function counted({ folder, v1 }) {
  const read = (name) => fs.readFileSync(path.join(folder, name), 'utf8');
  const events = read(v1 ? 'memory.oom_control' : 'memory.events');
  const peak = v1 ? 'memory.max_usage_in_bytes' : 'memory.peak';
  return {
    oomKills: Number(/^oom_kill (\d+)$/m.exec(events)[1]),
    // Version 2 has it from Linux 5.19 on.
    peakMb: fs.existsSync(path.join(folder, peak)) ? Number(read(peak)) / MIB : null,
  };
}

/** A group for one run, removed by its `remove` or by `cleanUp`. */
function newGroup(limits) {
  const group = createCgroup(limits);
  const remove = () => {
    group.remove();
    groups.delete(tracked);
  };
  const tracked = { ...group, remove };
  groups.add(tracked);
  return tracked;
}

/** Ends what is under way. */
async function cleanUp() {
  isOver = true;
  const ended = [...processes].map(async (child) => {
    child.kill('SIGKILL');
    await once(child, 'close');
  });
  await Promise.all(ended);
  for (const group of groups) group.remove();
}

module.exports = {
  MIB,
  cleanUp,
  counted,
  cpuMsOf,
  end,
  environment,
  ending,
  memoryOf,
  newGroup,
  portOf,
  resetPeak,
  start,
  track,
};
