'use strict';
// What several rules ask of the facts.

const { confSources } = require('../conf.js');
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

/** A process's pairs, each with its source. */
const pairsOf = ({ sources }) =>
  sources.flatMap(({ source, pairs }) => pairs.map((pair) => ({ ...pair, source })));

/** Where a verdict on a pair comes from. */
function judged({ optionsFrom }) {
  const value =
    optionsFrom === 'live'
      ? 'the live jemalloc'
      : "a rehearsal on heapgap's own jemalloc, not on the process's";
  return { pid: null, source: 'judged by', value };
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

module.exports = {
  configured,
  insteadOf,
  isJemalloc,
  judged,
  nodeProcesses,
  onJemalloc,
  originOf,
  pairsOf,
  preloading,
  preloadsAllocator,
  seen,
};
