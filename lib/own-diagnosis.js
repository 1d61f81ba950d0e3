'use strict';
// diagnose() of this process, and those that all who poll, or all who look at the page, share.

const { createDiagnose } = require('./diagnose.js');
const { loaded } = require('./errors.js');
const { createExperiment } = require('./experiment.js');
const { addon, allocator, why } = require('./native.js');
const { purge } = require('./purge.js');
const { createRecentDiagnosis } = require('./recent-diagnosis.js');

/** Of the last inspection, which is most of what a diagnosis costs. */
let cpuMs = null;

async function inspect() {
  const inspection = await loaded(() => require('./inspect.js')).inspect();
  cpuMs = inspection.cpuMs;
  return inspection;
}

const diagnose = createDiagnose({
  inspect,
  experiment: createExperiment({ inspect, purge }),
  facts: () => loaded(() => require('./facts.js')).facts(allocator().name),
  addon,
  why,
});

const recentDiagnosis = createRecentDiagnosis({ diagnose });

const [LEAST_REST_MS, MOST_REST_MS] = [1500, 30_000];
/** What inspections for viewers may take of one CPU: one part in so many. */
const SHARE = 400;

/** Whoever looks at the page wants the next one soon. */
const restMs = () => Math.min(Math.max(SHARE * cpuMs, LEAST_REST_MS), MOST_REST_MS);
// The page goes on showing the one before.
const liveDiagnosis = createRecentDiagnosis({ diagnose, restMs, patienceMs: null });

module.exports = { diagnose, liveDiagnosis, recentDiagnosis };
