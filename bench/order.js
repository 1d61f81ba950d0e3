'use strict';
// The order in which contenders run.

const crypto = require('node:crypto');

const rank = (round, index) =>
  crypto.createHash('sha256').update(`${round} ${index}`).digest('hex');

/** The same for the same round, and another in each, so that none always comes after the same. */
const shuffled = (list, round) =>
  list
    .map((item, index) => ({ item, rank: rank(round, index) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ item }) => item);

module.exports = { shuffled };
