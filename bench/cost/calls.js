'use strict';
// One call of heapgap's, and of what else there is to ask, in one process and one run.

const { inTurn, runChild } = require('../child.js');
const { underHeapgap } = require('./configuration.js');

const ROUNDS = 15;
const QUICK_ROUNDS = 5;

async function measureCalls({ quick, say }) {
  const rounds = quick ? QUICK_ROUNDS : ROUNDS;
  const rows = await inTurn([underHeapgap(), []], (words) => {
    say(`cost of calls on ${words.length === 0 ? 'glibc' : 'the shipped jemalloc'} …`);
    return runChild('cost-calls.js', [rounds], { words });
  });
  return rows.flat();
}

module.exports = { measureCalls };
