'use strict';
// diagnose(): gathers what the rules need, and has the addon judge.

const { withOwnCode } = require('./errors.js');
const { boolean, readOptions } = require('./options.js');
const { shared } = require('./promises.js');
const { NAMES, isWatch, longestWatch, rowsOf } = require('./watch.js');

const OPTIONS = {
  experiment: boolean(false),
  window: {
    default: undefined,
    check: isWatch,
    expected: 'what watch() answered',
  },
};

function withoutAddon(why) {
  return {
    verdict: 'insufficient-data',
    summary: `What RSS consists of cannot be told here: ${why}.`,
    findings: [
      {
        code: 'insufficient-data',
        bytes: null,
        severity: 'info',
        summary: why,
        evidence: [],
        actions: [
          'Run the service on Linux, where heapgap has a native addon, and call diagnose() there.',
        ],
      },
    ],
  };
}

/**
 * Makes `diagnose()` from what it asks: `inspect()`, `experiment()` and `facts()`. `addon` judges; where
 * there is none, `why` says so.
 */
function createDiagnose({ inspect, experiment, facts, addon, why }) {
  const lookOnce = shared(async () => ({ inspection: await inspect(), experiment: null }));
  // Two at a time would measure each other's work.
  const tryOnce = shared(experiment);

  async function judge(found, rows) {
    if (!addon) return withoutAddon(why);
    const answer = await addon.diagnose(JSON.stringify({ ...found, facts: facts() }), rows);
    return JSON.parse(answer);
  }

  async function run(look, window) {
    // As it was before: what an experiment does to memory is not the process's own growth.
    const watch = window ?? longestWatch();
    const rows = watch ? rowsOf(watch) : new Float64Array(0);
    const durationMs = Math.round(watch?.durationMs ?? 0);
    try {
      const found = await look();
      return {
        ...(await judge(found, rows)),
        ledger: found.inspection.ledger,
        window: { samples: rows.length / NAMES.length, durationMs },
        ...(found.experiment && { experiment: found.experiment }),
      };
    } catch (error) {
      throw withOwnCode(error);
    }
  }

  const runs = { plain: shared(() => run(lookOnce)), trial: shared(() => run(tryOnce)) };

  return async function diagnose(options) {
    const { experiment: wanted, window } = readOptions(OPTIONS, options, 'diagnose');
    if (window !== undefined) return run(wanted ? tryOnce : lookOnce, window);
    return wanted ? runs.trial() : runs.plain();
  };
}

module.exports = { createDiagnose };
