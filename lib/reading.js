'use strict';
// What exporters read: the figures of one moment, and what was found.

const { shared } = require('./promises.js');
const { counts } = require('./purge.js');
const { freshSnapshot } = require('./read.js');
const { createRecentDiagnosis } = require('./recent-diagnosis.js');

const diagnosis = createRecentDiagnosis({ diagnose: () => require('../index.js').diagnose() });

const readFigures = async () => ({
  snapshot: await freshSnapshot({ resources: false }),
  purges: counts(),
});

const readAll = async () => {
  const found = await diagnosis();
  // After it: the figures are to be those of now.
  return { ...(await readFigures()), diagnosis: found };
};

/** Makes a function that reads; those who ask meanwhile, as all metrics of a scrape do, get the same. */
const createReading = ({ findings }) => shared(findings ? readAll : readFigures);

module.exports = { createReading };
