'use strict';
// What it costs an empty program that there could be a profile: time and memory.

const path = require('node:path');

const { inTurn, repeat, runChild } = require('../child.js');
const { shuffled } = require('../order.js');
const { NAMED, POSSIBLE, WITHOUT } = require('./ways.js');

const WAYS = { without: WITHOUT, possible: POSSIBLE, named: NAMED };

async function startOne([name, words]) {
  const began = performance.now();
  const { rssMb } = await runChild(path.join('profiler', 'idle.js'), [], { words });
  return [name, { ms: performance.now() - began, rssMb }];
}

/** Answers each round's starts by their way. */
const measureIdle = ({ rounds, say }) =>
  repeat(rounds, async (round) => {
    if (round % 10 === 1) say(`idle: round ${round} of ${rounds} …`);
    const order = shuffled(Object.entries(WAYS), round);
    return Object.fromEntries(await inTurn(order, startOne));
  });

module.exports = { measureIdle };
