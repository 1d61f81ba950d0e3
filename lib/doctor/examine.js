'use strict';
// Gathers facts about this process, another one or a command, and lets the rules judge them.

const { VERSION, addon, allocator } = require('../native.js');
const { couldNotLook } = require('../errors.js');
const { observe } = require('./facts/command.js');
const { readHost } = require('./facts/host.js');
const { ownOptions } = require('./facts/options.js');
const { MAX_ENTRIES, isTooLong, readExecutable, readPreload } = require('./facts/preload.js');
const { bringsNodeApi, readProcess } = require('./facts/process.js');
const { rehearse } = require('./facts/rehearsal.js');
const { ancestors, descendants, listProcesses } = require('./facts/tree.js');
const { confSources } = require('./conf.js');
const { judge } = require('./rules/index.js');

const PROC = '/proc';

const DEFAULT_TIMEOUT_MS = 5000;

const NEVER = new AbortController().signal;

/** The words that allocators and linkers use on standard error. */
const COMPLAINT =
  /<jemalloc>: |^ERROR: ld\.so: |error while loading shared libraries: |^Error (loading|relocating) /;

function complaintsIn(stderr) {
  const lines = stderr.split('\n').filter((line) => COMPLAINT.test(line));
  return [...new Set(lines)];
}

/** The environment that a command is given: this process's own. */
function givenEnvironment() {
  const { LD_PRELOAD, MALLOC_CONF, NODE_OPTIONS, LD_LIBRARY_PATH } = process.env;
  const environment = { LD_PRELOAD, MALLOC_CONF, NODE_OPTIONS, LD_LIBRARY_PATH };
  const executable = process.platform === 'linux' ? readExecutable(process.execPath) : null;
  const preload = readPreload(environment, { cwd: process.cwd() });
  return { pid: null, label: 'the environment', environment, executable, preload, allocator: null };
}

/**
 * This process. It knows its own allocator better than /proc does. Nothing is rehearsed: a second
 * Node.js may be what a service at its memory limit is ended for.
 */
async function ownFacts(heap) {
  const host = readHost();
  const facts = { host, complaints: [], ancestors: [], given: null };
  if (process.platform !== 'linux') return { ...facts, processes: [] };
  // A container may show the /proc of another pid namespace, where our pid is somebody else's.
  const own = await readProcess(PROC, 'self');
  if (!own) throw couldNotLook('it takes /proc, which is not mounted here');
  const options = ownOptions(addon, own.environment ?? {});
  const live = addon ? { allocator: allocator(), proof: 'probe' } : {};
  const known = {
    pid: process.pid,
    options,
    optionsFrom: options && 'live',
    ...heap,
    node: true,
  };
  const all = await listProcesses(PROC);
  const above = await readAll(ancestors(all, process.pid));
  return { ...facts, processes: [{ ...own, ...live, ...known }], ancestors: above };
}

/** Those that are still there. */
async function readAll(stats) {
  const read = await Promise.all(stats.map(({ pid }) => readProcess(PROC, pid)));
  return read.filter(Boolean);
}

/** Another process, its Node.js children, and who started it. */
async function processFacts(pid) {
  const target = await readProcess(PROC, pid);
  if (!target) throw couldNotLook(`there is no process ${pid}`);
  if (target.denied.length > 0) {
    const files = target.denied.join(', ');
    throw couldNotLook(
      `reading ${files} takes the same user as process ${pid}, or root with CAP_SYS_PTRACE`,
    );
  }
  const all = await listProcesses(PROC);
  const below = await readAll(descendants(all, pid).filter((stat) => stat.pid !== pid));
  const above = await readAll(ancestors(all, pid));
  const host = readHost({ root: `${PROC}/${pid}/root`, pid });
  // A Node.js program may be called anything, but a shell or a supervisor only starts one.
  const node = target.node || (!below.some((process) => process.node) && bringsNodeApi(PROC, pid));
  if (![target, ...below].some((process) => process.allocator)) {
    throw couldNotLook(`process ${pid} has no allocator to be seen, as a kernel thread`);
  }
  const processes = [{ ...target, node }, ...below];
  if (!processes.some((process) => process.node)) {
    throw couldNotLook(`process ${pid} (${target.label}) is not Node.js, and has no child that is`);
  }
  return { host, processes, ancestors: above, given: null };
}

async function commandFacts(command, { timeoutMs, signal }) {
  let observed;
  try {
    observed = await observe(command, { timeoutMs, signal });
  } catch (error) {
    if (error.syscall?.startsWith('spawn')) {
      throw couldNotLook(`cannot start ${command[0]}: ${error.code}`);
    }
    throw error;
  }
  const { processes, stderr, ended } = observed;
  const facts = { host: readHost(), processes, ancestors: [], given: givenEnvironment() };
  return { ...facts, complaints: complaintsIn(stderr), stderr, ended };
}

/**
 * The options of a process whose jemalloc cannot be asked, or is not live: as a rehearsal finds them.
 * What jemalloc complained of is known only where its standard error was read.
 */
async function withRehearsal(process, facts, rehearsals) {
  const text = confSources(process, facts.host.etcMallocConf)
    .map((source) => source.text)
    .join(',');
  const isLive = process.optionsFrom === 'live';
  const wanted = process.node && (text !== '' || process.allocator?.name === 'jemalloc');
  if (!wanted || (isLive && facts.complaints)) return process;
  if (!rehearsals.has(text)) rehearsals.set(text, rehearse(text));
  const found = await rehearsals.get(text);
  if (!found) return { ...process, complaints: facts.complaints ?? [], untried: true };
  if (isLive) return { ...process, complaints: found.complaints };
  const { complaints, leftOut } = found;
  return { ...process, ...optionsOf(process, found, text), complaints, leftOut };
}

/**
 * jemalloc counts the CPUs of the affinity mask, and the rehearsal has another one: four arenas each, and
 * one where there is one CPU (malloc_init_narenas).
 */
function optionsOf({ affinity }, { options }, text) {
  const byCpus = affinity === 1 ? 1 : affinity && affinity * 4;
  const own = /(^|,)narenas:/.test(text) ? {} : { narenas: byCpus };
  return { options: { ...options, ...own }, optionsFrom: 'rehearsal' };
}

async function complete(facts) {
  const rehearsals = new Map();
  const rehearsed = facts.processes.map((each) => withRehearsal(each, facts, rehearsals));
  return { ...facts, processes: await Promise.all(rehearsed), complaints: facts.complaints ?? [] };
}

function summarise(facts, findings) {
  const processes = facts.processes
    .filter(({ node }) => node)
    .map((process) => ({
      pid: process.pid,
      ppid: process.ppid,
      label: process.label,
      allocator: process.allocator && {
        name: process.allocator.name,
        version: process.allocator.version,
        library: process.allocator.library,
        evidence: process.allocator.evidence,
        proof: process.proof,
      },
      options: process.options,
      optionsFrom: process.optionsFrom,
    }));
  const { distribution, arch, platform, container, shipped, addon: native } = facts.host;
  return {
    version: VERSION,
    healthy: findings.every(({ severity }) => severity === 'info'),
    findings,
    processes,
    host: { platform, arch, distribution, container, shipped, addon: native },
    notes: notesOf(facts),
  };
}

/** The line that says what went wrong, where there is one; Node.js puts a stack and its version behind it. */
function gist(said) {
  const lines = said.split('\n');
  return lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1);
}

function notesOf({ processes, given, ended, stderr }) {
  const denied = processes.flatMap((process) => process.denied ?? []);
  const notes = [];
  if (processes.some(({ untried }) => untried))
    notes.push("MALLOC_CONF could not be tried on heapgap's own jemalloc");
  if (denied.length > 0)
    notes.push(`not readable by this user: ${[...new Set(denied)].slice(0, 8).join(', ')}`);
  if (
    [...processes, ...(given ? [given] : [])].some(({ environment }) =>
      isTooLong(environment ?? {}),
    )
  )
    notes.push(`of LD_PRELOAD, the first ${MAX_ENTRIES} entries were looked at`);
  if (ended && ended.status !== 0) {
    const said = stderr.trimEnd();
    const how = ended.signal ?? `status ${ended.status}`;
    notes.push(`the command ended by itself with ${how}: ${gist(said)}`);
  }
  return notes;
}

/**
 * Gathers facts and judges them. `signal` ends a command early; `heap` is that of the process that asks,
 * which a worker thread of it has another one of.
 */
async function examine({ pid, command, timeoutMs = DEFAULT_TIMEOUT_MS, signal = NEVER, heap }) {
  if (process.platform !== 'linux' && (pid || command)) {
    throw couldNotLook(`other processes are looked at by /proc, which ${process.platform} lacks`);
  }
  const facts = await gather({ pid, command, timeoutMs, signal, heap });
  signal.throwIfAborted();
  const report = summarise(facts, judge(facts));
  if (command && report.processes.length === 0 && report.findings.length === 0) {
    const [note = 'it started none in time'] = report.notes;
    throw couldNotLook(`no Node.js process was seen: ${note}`);
  }
  return report;
}

async function gather({ pid, command, timeoutMs, signal, heap }) {
  if (command !== undefined) return complete(await commandFacts(command, { timeoutMs, signal }));
  if (pid !== undefined && pid !== process.pid) return complete(await processFacts(pid));
  return ownFacts(heap);
}

module.exports = { examine };
