'use strict';
// Runs a command and watches what becomes of its environment in the processes that it starts.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { couldNotLook } = require('../../errors.js');
const { readExecutable, readPreload } = require('./preload.js');
const { describeMapped, labelOf, readProcess, splitArguments } = require('./process.js');
const { descendants, listProcesses } = require('./tree.js');

const PROC = '/proc';
/** Tells probe.js where to; probe.js has the name too. */
const REPORTS = 'HEAPGAP_DOCTOR_REPORTS';
const PROBE = path.join(__dirname, '..', 'probe.js');

/** How often the processes are looked at. */
const LOOK_EVERY_MS = 100;

/** A command that has started nothing new for as long is taken to have started. */
const SETTLED_MS = 2000;

/** What a command has between SIGTERM and SIGKILL. */
const GRACE_MS = 2000;

const MAX_STDERR = 256 * 1024;

/** NODE_OPTIONS takes a word in double quotes, with backslashes inside (node.1). */
const quoted = (file) => `"${file.replace(/["\\]/g, '\\$&')}"`;
const REQUIRE = `--require ${quoted(PROBE)}`;

const withProbe = (options) => (options ? `${options} ${REQUIRE}` : REQUIRE);

/** What NODE_OPTIONS would be without us. */
function withoutProbe(environment) {
  if (!environment?.NODE_OPTIONS?.includes(REQUIRE)) return environment;
  const rest = environment.NODE_OPTIONS.replace(REQUIRE, '').trim();
  return { ...environment, NODE_OPTIONS: rest || undefined };
}

const sleep = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
  });

/** Starts the command in a session of its own; answers the child and what it wrote to stderr. */
function start([file, ...args], env) {
  const child = spawn(file, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stderr: '', error: null, ended: null };
  child.stdout.resume();
  child.stderr.setEncoding('utf8').on('data', (text) => {
    output.stderr = (output.stderr + text).slice(0, MAX_STDERR);
  });
  child.on('error', (error) => {
    output.error = error;
  });
  child.on('exit', (status, signal) => {
    output.ended = { status, signal };
  });
  return { child, output };
}

/** Who has reported, by pid. A report that cannot be read is one that is being written. */
function readReports(folder) {
  const reports = new Map();
  for (const name of fs.readdirSync(folder)) {
    if (!name.endsWith('.json')) continue;
    try {
      const report = JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8'));
      reports.set(report.pid, report);
    } catch {
      // The next look finds it whole.
    }
  }
  return reports;
}

/** Looks at all processes of the command once; `seen` keeps those that have ended since. */
async function look(child, seen) {
  const all = await listProcesses(PROC);
  const alive = descendants(all, child.pid, child.pid);
  for (const { pid, start } of alive) {
    const found = await readProcess(PROC, pid);
    const key = `${pid}:${start}`;
    const looks = (seen.get(key)?.looks ?? 0) + 1;
    if (found?.start === start) seen.set(key, { ...found, looks });
  }
  return alive;
}

/**
 * Runs until the command has ended, has started nothing new for a while, or `timeoutMs` have passed
 * since its first Node.js process reported.
 */
async function watch(run, folder, timeoutMs, signal) {
  const seen = new Map();
  let reportedAt = Number.POSITIVE_INFINITY;
  let changedAt = performance.now();
  const deadline = performance.now() + Math.max(timeoutMs, SETTLED_MS) * 2;
  let known = '';
  while (!signal.aborted && !run.output.error) {
    await look(run.child, seen);
    const now = performance.now();
    const reports = readReports(folder);
    const current = `${[...seen.keys()]} ${[...reports.keys()]}`;
    if (current !== known) changedAt = now;
    known = current;
    if (reports.size > 0) reportedAt = Math.min(reportedAt, now);
    const settled = reports.size > 0 && now - changedAt > SETTLED_MS;
    if (run.output.ended || settled || now - reportedAt > timeoutMs || now > deadline) break;
    await sleep(LOOK_EVERY_MS, signal);
  }
  return { seen: [...seen.values()], reports: readReports(folder) };
}

function kill(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // Ended already.
  }
}

/** What is left of the command: below it, of its session, seen before, or with our variable. */
async function remaining({ child, mark }, seen) {
  const all = await listProcesses(PROC);
  const known = new Set(descendants(all, child.pid, child.pid));
  const before = new Set(seen.map(({ pid, start }) => `${pid}:${start}`));
  const isOurs = async (stat) =>
    known.has(stat) || before.has(`${stat.pid}:${stat.start}`) || (await isMarked(stat.pid, mark));
  const ours = await Promise.all(all.map(isOurs));
  return all.filter((_, index) => ours[index]);
}

/** Whether the process inherited our variable: a daemon leaves its parents and its session. */
async function isMarked(pid, mark) {
  const environment = await fs.promises
    .readFile(`${PROC}/${pid}/environ`, 'latin1')
    .catch(() => '');
  return environment.split('\0').includes(mark);
}

/** SIGTERM, and after a while SIGKILL, also to what a supervisor starts anew meanwhile. */
async function stop(run, seen) {
  if (run.child.pid === undefined) return;
  const never = new AbortController().signal;
  const graceUntil = performance.now() + GRACE_MS;
  const giveUpAt = graceUntil + GRACE_MS;
  const asked = new Set();
  let left = await remaining(run, seen);
  while (left.length > 0 && performance.now() < giveUpAt) {
    const force = performance.now() > graceUntil;
    for (const { pid } of left) {
      if (force) kill(pid, 'SIGKILL');
      else if (!asked.has(pid)) kill(pid, 'SIGTERM');
      asked.add(pid);
    }
    await sleep(LOOK_EVERY_MS / 2, never);
    left = await remaining(run, seen);
  }
}

/** The kernel's view of a process, and what the process itself has reported. */
function merge(process, report) {
  const environment = withoutProbe(process?.environment ?? report?.environment ?? null);
  if (!report) return { ...process, environment };
  const { allocator, options, files, heapLimit, why } = report;
  return {
    ...process,
    environment,
    node: true,
    why,
    heapLimit,
    // The kernel's view may be of when the linker was still at it.
    mapped: describeMapped('/', files),
    allocator: allocator ?? process.allocator,
    proof: allocator ? 'probe' : process.proof,
    options,
    optionsFrom: options ? 'live' : null,
  };
}

/** A process that ended before it was looked at, by its report alone. */
function fromReport({ pid, ppid, argv, program, environment, ...report }) {
  const cleaned = withoutProbe(environment);
  const name = path.basename(program);
  return merge(
    {
      pid,
      ppid,
      name,
      program,
      ownArguments: splitArguments(argv).own,
      label: labelOf(program, name, argv),
      environment: cleaned,
      executable: readExecutable(program),
      secure: null,
      preload: readPreload(cleaned, { cwd: process.cwd() }),
      mapped: null,
      allocator: null,
      backgroundThreads: null,
      affinity: null,
      thpEnabled: true,
      denied: [],
    },
    { environment, ...report },
  );
}

/** A container whose root is read-only may have no other folder to write to than the last of these. */
function makeFolder() {
  for (const parent of [os.tmpdir(), '/dev/shm']) {
    try {
      return fs.mkdtempSync(path.join(parent, 'heapgap-doctor-'));
    } catch {
      // The next one may do.
    }
  }
  throw couldNotLook(`a folder to write to is needed: set TMPDIR, which is ${os.tmpdir()}`);
}

/**
 * Runs `command` and answers `{ processes, stderr, ended }`. The command is ended in the end, and
 * nothing is left behind, however this is left.
 */
async function observe(command, { timeoutMs, signal }) {
  const folder = makeFolder();
  const env = {
    ...process.env,
    NODE_OPTIONS: withProbe(process.env.NODE_OPTIONS),
    [REPORTS]: folder,
  };
  const removeFolder = () => fs.rmSync(folder, { recursive: true, force: true });
  const run = { ...start(command, env), mark: `${REPORTS}=${folder}` };
  const cleanUp = () => {
    if (run.child.pid !== undefined && !run.output.ended) kill(-run.child.pid, 'SIGKILL');
    removeFolder();
  };
  process.once('exit', cleanUp);
  let seen = [];
  try {
    const watched = await watch(run, folder, timeoutMs, signal);
    seen = watched.seen;
    if (run.output.error) throw run.output.error;
    return { processes: mergeReports(watched), ...run.output };
  } finally {
    await stop(run, seen);
    run.child.stdout.destroy();
    run.child.stderr.destroy();
    process.removeListener('exit', cleanUp);
    removeFolder();
  }
}

/** A child that was seen once, before it executed another program: it looks like its parent. */
function isFork({ looks, ppid, program, label }, seen) {
  const parent = seen.find(({ pid }) => pid === ppid);
  return looks === 1 && parent?.program === program && parent.label === label;
}

/** What was seen and what was reported, by pid. */
function mergeReports({ seen, reports }) {
  const unseen = new Map(reports);
  const own = seen.filter((process) => reports.has(process.pid) || !isFork(process, seen));
  const processes = own.map((process) => {
    const report = reports.get(process.pid);
    unseen.delete(process.pid);
    // It has executed another program since it was looked at.
    const stale = report && report.program !== process.program;
    return stale ? fromReport(report) : merge(process, report);
  });
  return [...processes, ...Array.from(unseen.values(), fromReport)];
}

module.exports = { observe, withoutProbe };
