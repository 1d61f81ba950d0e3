'use strict';

const { everywhere, namable } = require('../fixes.js');
const { insteadOf, nodeProcesses, seen } = require('./shared.js');

/**
 * ld.so(8), secure-execution mode: for a set-user-ID program, or one with file capabilities, LD_PRELOAD
 * is ignored; jemalloc ignores MALLOC_CONF too (secure_getenv(3)), and Node.js NODE_OPTIONS.
 */
function check(facts) {
  const affected = ({ secure, environment }) => secure && environment?.LD_PRELOAD;
  return nodeProcesses(facts)
    .filter(affected)
    .map((process) => ({
      code: 'secure-execution',
      severity: 'error',
      summary: `${process.program} is set-user-ID or has file capabilities, so the linker ignores LD_PRELOAD${insteadOf(process)}`,
      evidence: [
        seen(process, 'AT_SECURE', 1),
        seen(process, 'LD_PRELOAD', process.environment.LD_PRELOAD),
      ],
      fix: everywhere(
        '# where it is set-user-ID or set-group-ID:',
        `RUN chmod ug-s ${namable(process.program ?? '')}`,
        '# where it has file capabilities:',
        `RUN setcap -r ${namable(process.program ?? '')}`,
        '# to listen on ports below 1024 without it: docker run --sysctl net.ipv4.ip_unprivileged_port_start=0',
      ),
    }));
}

module.exports = { codes: ['secure-execution'], check };
