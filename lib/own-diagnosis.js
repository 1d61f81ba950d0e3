'use strict';
// diagnose() of this process, and the one that all who poll share.

const { createDiagnose } = require('./diagnose.js');
const { loaded } = require('./errors.js');
const { createExperiment } = require('./experiment.js');
const { addon, allocator, why } = require('./native.js');
const { purge } = require('./purge.js');
const { createRecentDiagnosis } = require('./recent-diagnosis.js');

const inspect = async () => loaded(() => require('./inspect.js')).inspect();

const diagnose = createDiagnose({
  inspect,
  experiment: createExperiment({ inspect, purge }),
  facts: () => loaded(() => require('./facts.js')).facts(allocator().name),
  addon,
  why,
});

const recentDiagnosis = createRecentDiagnosis({ diagnose });

module.exports = { diagnose, recentDiagnosis };
