'use strict';
// Runs a command and watches what becomes of its environment in the processes that it starts.

const { spawn } = require('node:child_process');
const { randomUUID } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { couldNotLook } = require('../../errors.js');
const { requireOption, withRequire } = require('../../node-options.js');
const { readExecutable, readPreload } = require('./preload.js');
const { describeMapped, labelOf, readProcess, splitArguments } = require('./process.js');
const { withFile } = require('./files.js');
const { descendants, listProcesses } = require('./tree.js');

const { O_NOFOLLOW } = fs.constants;

const PROC = '/proc';
/** Tells probe.js where to; probe.js has the name too. */
const REPORTS = 'HEAPGAP_DOCTOR_REPORTS';
const PROBE = path.join(__dirname, '..', 'probe.js');
const PACKAGE = path.join(__dirname, '..', '..', '..');

/** How often the processes are looked at. */
const LOOK_EVERY_MS = 100;

/** A command that has started nothing new for as long is taken to have started. */
const SETTLED_MS = 2000;

/** What a command has between SIGTERM and SIGKILL. */
const GRACE_MS = 2000;

const MAX_STDERR = 256 * 1024;
const MAX_REPORTS = 4096;
const MAX_REPORT = 1024 * 1024;

const REQUIRE = requireOption(PROBE);

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

/** Who has reported, by pid. What cannot be read is being written, or is no report. */
function readReports({ reports }) {
  const found = new Map();
  for (const name of fs.readdirSync(reports).slice(0, MAX_REPORTS)) {
    if (!/^\d+\.json$/.test(name)) continue;
    const report = readReport(path.join(reports, name));
    if (report && name === `${report.pid}.json`) found.set(report.pid, report);
  }
  return found;
}

/** Other users may have written it: a link is not followed, and a pipe is not waited for. */
function readReport(file) {
  try {
    const text = withFile(file, (read) => read(0, MAX_REPORT).toString('utf8'), O_NOFOLLOW);
    const report = JSON.parse(text);
    return isReport(report) ? report : null;
  } catch {
    return null;
  }
}

const isText = (value) => typeof value === 'string';
const isTexts = (value) => Array.isArray(value) && value.every(isText);
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const orNull = (check, value) => value === null || check(value);

/** Whether it has the shape that probe.js gives it. */
function isReport(report) {
  if (!isObject(report) || !isObject(report.environment)) return false;
  const { pid, ppid, at, heapLimit, argv, program, environment, options, files } = report;
  return (
    [pid, ppid, at, heapLimit].every(Number.isFinite) &&
    isText(program) &&
    isTexts(argv) &&
    isTexts(files) &&
    Object.values(environment).every(isText) &&
    orNull(isObject, options) &&
    orNull(isText, report.why) &&
    orNull(isAllocator, report.allocator)
  );
}

const isAllocator = (value) =>
  isObject(value) &&
  isText(value.name) &&
  isTexts(value.evidence) &&
  orNull(isText, value.version) &&
  orNull(isText, value.library);

/**
 * Looks at all processes of the command once. `seen` keeps those that have ended since; each has its
 * `parent` as it was then, and what it was itself `before` it executed another program.
 */
async function look(run, seen) {
  const alive = await living(run, seen);
  const now = new Map();
  for (const { pid, start } of alive) {
    const found = await readProcess(PROC, pid);
    if (found?.start !== start) continue;
    const key = `${pid}:${start}`;
    const last = seen.get(key);
    const same = last && isSame(last, found);
    const entry = {
      ...found,
      looks: (last?.looks ?? 0) + 1,
      since: same ? last.since : Date.now(),
      before: same ? last.before : last,
      parent: now.get(found.ppid) ?? last?.parent,
    };
    now.set(pid, entry);
    seen.set(key, entry);
  }
  return alive;
}

const isSame = (one, other) =>
  one.program === other.program &&
  JSON.stringify(one.environment) === JSON.stringify(other.environment);

/** What lives of the command. Once its first process has ended, the rest may be anybody's children. */
async function living(run, seen) {
  if (run.output.ended) return remaining(run, [...seen.values()]);
  return descendants(await listProcesses(PROC), run.child.pid, run.child.pid);
}

/**
 * Runs until nothing of the command lives, it has started nothing new for a while, or `timeoutMs` have
 * passed since its first Node.js process reported.
 */
async function watch(run, folder, timeoutMs, signal) {
  const seen = new Map();
  let reportedAt = Number.POSITIVE_INFINITY;
  let changedAt = performance.now();
  const deadline = performance.now() + Math.max(timeoutMs, SETTLED_MS) * 2;
  let known = '';
  while (!signal.aborted && !run.output.error) {
    const { ended } = run.output;
    const alive = await look(run, seen);
    const now = performance.now();
    const reports = readReports(folder);
    const starting = alive.some(({ pid }) => reports.get(pid)?.ran === false);
    const current = `${[...seen.keys()]} ${Array.from(reports.values(), ({ pid, at }) => [pid, at])}`;
    if (current !== known) changedAt = now;
    known = current;
    if (reports.size > 0) reportedAt = Math.min(reportedAt, now);
    const settled = reports.size > 0 && !starting && now - changedAt > SETTLED_MS;
    const over = ended && alive.length === 0;
    if (over || settled || now - reportedAt > timeoutMs || now > deadline) break;
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

/**
 * A command may run as another user than doctor does, as by setpriv, and reports all the same: to a
 * folder that anybody may write to who knows its name, which is in the environment of the command
 * alone. A container whose root is read-only may have no other place than the last of these.
 */
function makeFolder() {
  for (const parent of [os.tmpdir(), '/dev/shm']) {
    try {
      const outer = fs.mkdtempSync(path.join(parent, 'heapgap-doctor-'));
      const reports = path.join(outer, randomUUID());
      fs.mkdirSync(reports);
      // The outer one cannot be listed, nor may anybody remove in the inner one what others wrote.
      fs.chmodSync(reports, 0o1733);
      fs.chmodSync(outer, 0o711);
      return { outer, reports };
    } catch {
      // The next one may do.
    }
  }
  throw couldNotLook(`a folder to write to is needed: set TMPDIR, which is ${os.tmpdir()}`);
}

/** The program's own words that our probe could not be loaded; the service did not start then. */
function wasRefused({ stderr }) {
  return stderr.includes(PROBE) && /ERR_ACCESS_DENIED|EACCES|Cannot find module/.test(stderr);
}

const refused = () =>
  couldNotLook(
    `a Node.js of the command may not read ${PACKAGE} and did not start: pass --allow-fs-read=${PACKAGE}/* ` +
      'where it runs under --permission, let its user read the folder, or start the command and use --pid',
  );

/**
 * Runs `command` and answers `{ processes, stderr, ended }`. The command is ended in the end, and
 * nothing is left behind, however this is left.
 */
async function observe(command, { timeoutMs, signal }) {
  const folder = makeFolder();
  const env = {
    ...process.env,
    NODE_OPTIONS: withRequire(process.env.NODE_OPTIONS, PROBE),
    [REPORTS]: folder.reports,
  };
  const removeFolder = () => fs.rmSync(folder.outer, { recursive: true, force: true });
  const run = { ...start(command, env), mark: `${REPORTS}=${folder.reports}` };
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
    if (wasRefused(run.output)) throw refused();
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
    return stale ? { ...fromReport(report), parent: process.parent } : merge(process, report);
  });
  const byPid = new Map(seen.map((process) => [process.pid, process]));
  const others = Array.from(unseen.values(), (report) => ({
    ...fromReport(report),
    parent: stateAt(byPid.get(report.ppid), report.at),
  }));
  return [...processes, ...others];
}

/** What `process` was at a time; where it was seen later only, the first that it was seen as. */
function stateAt(process, at) {
  let state = process;
  while (state?.before && state.since > at) state = state.before;
  return state;
}

module.exports = { observe, withoutProbe };
