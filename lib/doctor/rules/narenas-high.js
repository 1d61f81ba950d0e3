'use strict';

const { arenasFor } = require('../../malloc-conf.js');
const { withPair } = require('../conf.js');
const { mend } = require('../fixes.js');
const { onJemalloc, seen } = require('./shared.js');

/** jemalloc's own measure is four arenas a CPU; twice that is not "far above" yet. */
const PER_CPU = 4;
const FAR = 2;

/** jemalloc counts the CPUs of the affinity mask; a container's quota it does not know. */
function check(facts) {
  const { cpus, cpuQuota, hostCpus } = facts.host.container;
  if (cpus === null) return [];
  return onJemalloc(facts)
    .filter(({ options }) => options?.narenas > cpus * PER_CPU * FAR)
    .map((process) => ({
      code: 'narenas-high',
      severity: 'warning',
      summary: `jemalloc has room for ${process.options.narenas} arenas, and the container has ${cpus} CPU${cpus === 1 ? '' : 's'}: memory that is freed in one arena is not used by another`,
      evidence: [
        seen(process, 'opt.narenas', process.options.narenas),
        { pid: null, source: 'CPUs of the machine', value: String(hostCpus) },
        { pid: null, source: 'CPU quota', value: String(cpuQuota ?? 'none') },
      ],
      mend: mend(process, (conf) => withPair(conf, 'narenas', arenasFor(cpus))),
    }));
}

module.exports = { codes: ['narenas-high'], check };
