'use strict';
// What several rules ask of the facts.

const { confSources } = require('../conf.js');
const { everywhere, namable, preloadLine, useJemalloc } = require('../fixes.js');
const { instead } = require('../sentences.js');

/** The Node.js processes that were seen. */
const nodeProcesses = ({ processes }) => processes.filter(({ node }) => node);

/** What has an LD_PRELOAD: the Node.js processes, and the given environment where none inherited it. */
function preloading(facts) {
  const { given } = facts;
  const processes = nodeProcesses(facts);
  const inherits = ({ environment }) => environment?.LD_PRELOAD === given.environment.LD_PRELOAD;
  return given && !processes.some(inherits) ? [given, ...processes] : processes;
}

const onJemalloc = (facts) =>
  nodeProcesses(facts).filter(({ allocator }) => allocator?.name === 'jemalloc');

/** Where something was seen. */
function seen(subject, source, value) {
  const where = subject.pid ? `${source} of process ${subject.pid} (${subject.label})` : source;
  return { pid: subject.pid ?? null, source: where, value: String(value) };
}

const insteadOf = ({ allocator }) => instead(allocator?.name);

const isJemalloc = ({ allocator }) => allocator === 'jemalloc';

/** Processes with options to check, each with where they come from and what jemalloc said of them. */
function configured(facts) {
  return nodeProcesses(facts).flatMap((process) => {
    const sources = confSources(process, facts.host.etcMallocConf);
    if (sources.length === 0) return [];
    return [{ process, sources, complaints: process.complaints ?? facts.complaints }];
  });
}

/** A process's pairs, each with its source and the whole text there. */
const pairsOf = ({ sources }) =>
  sources.flatMap(({ source, text, pairs }) =>
    pairs.map((pair) => ({ ...pair, source, conf: text })),
  );

/** What jemalloc says of a pair that it does not take (conf.c); it says more, with confirm_conf. */
const COMPLAINTS = ['Invalid conf pair', 'Invalid conf value', 'Out-of-range conf value'];

/** The first complaint about a pair: `{ line, words }`, or `null`. */
function complaintOf({ complaints }, { text }, among = COMPLAINTS) {
  for (const words of among) {
    const line = complaints.find((each) => each.endsWith(`<jemalloc>: ${words}: ${text}`));
    if (line) return { line, words };
  }
  return null;
}

/** Where a verdict on a pair comes from. */
function judged({ optionsFrom }) {
  const value =
    optionsFrom === 'live'
      ? 'the live jemalloc'
      : "a rehearsal on heapgap's own jemalloc, not on the process's";
  return { pid: null, source: 'judged by', value };
}

function isForeign({ executable }, { elf }) {
  if (!executable || !elf) return false;
  const otherLibc = elf.libc && executable.libc && elf.libc !== executable.libc;
  return otherLibc || elf.machine !== executable.machine || elf.bits !== executable.bits;
}

const UNUSABLE = ['missing', 'not-a-library', 'spaces'];

/** What the linker makes nothing of, or what calls itself an allocator and brings no malloc. */
const isUnusable = (subject, entry) =>
  UNUSABLE.includes(entry.problem) ||
  isForeign(subject, entry) ||
  (entry.allocator && entry.malloc === false);

/** By its name, or because it brings a malloc. */
const isAllocator = ({ allocator, malloc }) => allocator !== null || malloc === true;

/** An entry of LD_PRELOAD that does no good: an error where jemalloc was to be live and is not. */
const severityOf = ({ allocator }, entry) =>
  isAllocator(entry) && allocator?.name !== 'jemalloc' ? 'error' : 'warning';

/** The entries of LD_PRELOAD that do some good. */
const usable = (subject) => subject.preload.filter((each) => !isUnusable(subject, each));

/** What stays in LD_PRELOAD beside an allocator. */
const otherLibraries = (subject) =>
  usable(subject)
    .filter((each) => !isAllocator(each))
    .map(({ entry }) => entry);

/**
 * LD_PRELOAD without the entries that are of no use, first of all: `heapgap run` keeps what is in it. Then
 * jemalloc, where `entry` was to be an allocator and none is live.
 */
function preloadFix({ host }, subject, entry) {
  const first = [preloadLine(usable(subject).map((each) => each.entry))];
  if (severityOf(subject, entry) === 'error') {
    return useJemalloc(host, { first, others: otherLibraries(subject) });
  }
  return everywhere(...first, `# or install what is named: ${namable(entry.entry)}`);
}

const preloadsAllocator = ({ preload }) => preload.some(({ allocator }) => allocator);

/** The nearest process above that had the variables, or the environment that was given. */
function originOf(facts, process, has) {
  const byPid = new Map([...facts.ancestors, ...facts.processes].map((each) => [each.pid, each]));
  const visited = new Set();
  // A parent may have executed another program since: `parent` is what it was then.
  const parentOf = ({ parent, ppid }) => parent ?? byPid.get(ppid);
  let above = parentOf(process);
  while (above && !visited.has(above)) {
    if (above.environment && has(above)) return above;
    visited.add(above);
    above = parentOf(above);
  }
  return facts.given && has(facts.given) ? facts.given : null;
}

/** Their own heap does not matter: what they start is the service. */
const LAUNCHERS = /^(npm|npx|yarn|pnpm|pnpx|corepack)(-cli)?(\.[cm]?js)?$/;

/** npm and the like, or whatever is before `heapgap run`: what it starts is on jemalloc. */
function isLauncher(facts, { pid, name, label, allocator }) {
  // By the title that npm gives itself, or by the script, which the label has behind the program.
  const called = [name?.split(' ')[0], label.split(' ')[1]];
  if (called.some((word) => LAUNCHERS.test(word ?? ''))) return true;
  if (allocator?.name === 'jemalloc') return false;
  return onJemalloc(facts).some((process) => parentsOf(facts, process).includes(pid));
}

function parentsOf({ processes }, process) {
  const byPid = new Map(processes.map((each) => [each.pid, each]));
  const parents = [];
  let above = process;
  while (above && !parents.includes(above.ppid)) {
    parents.push(above.ppid);
    above = byPid.get(above.ppid);
  }
  return parents;
}

/** A helper of a service that is on jemalloc, which was taken off it: its MALLOC_CONF was left. */
const isTakenOff = (facts, process) =>
  Boolean(process.environment?.MALLOC_CONF) &&
  !preloadsAllocator(process) &&
  onJemalloc(facts).some(({ pid }) => pid !== process.pid);

module.exports = {
  complaintOf,
  configured,
  insteadOf,
  isForeign,
  isJemalloc,
  isLauncher,
  isTakenOff,
  judged,
  nodeProcesses,
  onJemalloc,
  originOf,
  otherLibraries,
  pairsOf,
  preloadFix,
  preloading,
  preloadsAllocator,
  seen,
  severityOf,
  usable,
};
