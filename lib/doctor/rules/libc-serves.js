'use strict';

const { useJemalloc } = require('../fixes.js');
const { nodeProcesses, seen } = require('./shared.js');

const LIBCS = ['glibc', 'musl'];

const isUntouched = ({ environment }) => !environment?.LD_PRELOAD && !environment?.MALLOC_CONF;

/** Nothing was tried, so nothing is wrong; this is how. */
function check(facts) {
  const around = [...facts.ancestors, ...(facts.given ? [facts.given] : [])];
  if (!around.every(isUntouched)) return [];
  const untouched = (process) => LIBCS.includes(process.allocator?.name) && isUntouched(process);
  const processes = nodeProcesses(facts);
  // A launcher such as npm may stay on the libc.
  if (processes.some(({ allocator }) => allocator && !LIBCS.includes(allocator.name))) return [];
  return processes.filter(untouched).map((process) => ({
    code: 'libc-serves',
    severity: 'info',
    summary: `${process.allocator.name} serves malloc, as it does where nothing else was set up`,
    evidence: process.allocator.evidence.map((line) => seen(process, 'allocator', line)),
    fix: useJemalloc(facts.host),
  }));
}

module.exports = { codes: ['libc-serves'], check };
