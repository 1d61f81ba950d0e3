'use strict';
// How much is measured, in full, quickly, or only to see whether it works.

const { GOVERNED, UNGOVERNED } = require('../contenders.js');

const SETTINGS = {
  full: {
    contenders: ['glibc', 'arena-max-2', 'article', 'mimalloc', 'tcmalloc', UNGOVERNED, GOVERNED],
    rounds: 4,
    /** Shares of a workload's rate: bursts of different sizes, with idle between. */
    bursts: { shares: [0.6, 1, 0.4, 1], seconds: 2.5, idleSeconds: 0.7 },
    /** How much longer than a second a second of rest is. */
    restFactor: 1,
    survival: {
      workloads: ['pool', 'gateway', 'images', 'render'],
      rounds: 2,
      bursts: { shares: [0.8, 1], seconds: 2.5, idleSeconds: 0.7 },
    },
  },
  quick: {
    contenders: ['glibc', 'article', GOVERNED],
    rounds: 1,
    bursts: { shares: [0.6, 1, 1], seconds: 2, idleSeconds: 0.7 },
    restFactor: 1,
    survival: {
      workloads: ['pool'],
      rounds: 1,
      bursts: { shares: [0.8, 1], seconds: 2.5, idleSeconds: 0.7 },
    },
  },
  smoke: {
    contenders: ['glibc', GOVERNED],
    rounds: 1,
    bursts: { shares: [0.3], seconds: 1, idleSeconds: 0.2 },
    restFactor: 0.02,
    survival: {
      workloads: ['pool'],
      rounds: 1,
      bursts: { shares: [1], seconds: 1, idleSeconds: 0 },
    },
  },
};

/** The bursts of a workload whose highest rate is `perSecond`. */
const burstsOf = ({ perSecond }, { shares, seconds, idleSeconds }) =>
  shares.map((share) => ({ perSecond: Math.round(perSecond * share), seconds, idleSeconds }));

module.exports = { SETTINGS, burstsOf };
