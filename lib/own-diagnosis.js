'use strict';
// diagnose() of this process, and those that all who poll, or all who look at the page, share.

const { createDiagnose } = require('./diagnose.js');
const { loaded } = require('./errors.js');
const { createExperiment } = require('./experiment.js');
const { addon, allocator, why } = require('./native.js');
const { purge } = require('./purge.js');
const { createRecentDiagnosis, createRest } = require('./recent-diagnosis.js');

const inspect = async () => loaded(() => require('./inspect.js')).inspect();

const diagnose = createDiagnose({
  inspect,
  experiment: createExperiment({ inspect, purge }),
  facts: () => loaded(() => require('./facts.js')).facts(allocator().name),
  addon,
  why,
});

const recentDiagnosis = createRecentDiagnosis({ diagnose });

const liveDiagnosis = createRecentDiagnosis({ diagnose, restOf: createRest() });

module.exports = { diagnose, liveDiagnosis, recentDiagnosis };
