'use strict';
// What exporters read: the figures of one moment, and what was found.

// Hears of worker threads from here on.
require('./isolates.js');
const { recentDiagnosis } = require('./own-diagnosis.js');
const { shared } = require('./promises.js');
const { counts } = require('./purge.js');
const { freshSnapshot } = require('./read.js');

const readFigures = async () => ({
  snapshot: await freshSnapshot({ resources: false }),
  purges: counts(),
});

const readAll = async () => {
  const found = await recentDiagnosis();
  // After it: the figures are to be those of now.
  return { ...(await readFigures()), diagnosis: found };
};

/** Makes a function that reads; those who ask meanwhile, as all metrics of a scrape do, get the same. */
const createReading = ({ findings }) => shared(findings ? readAll : readFigures);

module.exports = { createReading };
