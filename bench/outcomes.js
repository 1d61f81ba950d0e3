'use strict';
// How services of benchmarks end.

/** How one ended in its group: by the kernel for want of memory, or otherwise. */
function outcome({ code, signal }, { oomKills }) {
  if (signal === 'SIGKILL' && oomKills > 0) return 'killed';
  return code === null ? `ended by ${signal}` : `exited with ${code}`;
}

/** Whatever ended it before its time. */
const wasKilled = (run) => run.outcome !== 'survived';

/** Where that holds for all runs at a limit, smaller limits are not tried. */
const allKilled = (runs) => runs.length > 0 && runs.every(wasKilled);

module.exports = { allKilled, outcome, wasKilled };
