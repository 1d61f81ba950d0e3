'use strict';
// How long a purge takes, by how much there is to give back.

const { inTurn, repeat, runChild } = require('../child.js');
const { MIB } = require('../process.js');
const { spread } = require('../statistics.js');
const { hasRoom, underHeapgap } = require('./configuration.js');

const FULL = { sizesMb: [256, 1024, 4096], rounds: 5 };
const QUICK = { sizesMb: [256, 1024], rounds: 2 };

async function measurePurge({ quick, say }) {
  const { sizesMb, rounds } = quick ? QUICK : FULL;
  const fitting = sizesMb.filter((size) => hasRoom(size, `a purge of ${size} MB`, say));
  return inTurn(fitting, async (size) => {
    const measured = await repeat(rounds, (round) => {
      say(`purging ${size} MB, round ${round} of ${rounds} …`);
      return runChild('purge.js', [size * MIB], { words: underHeapgap('dirty_decay_ms:-1') });
    });
    const of = (name) => spread(measured.map((result) => result[name]));
    return {
      dirtyMb: of('dirtyMb'),
      durationMs: of('durationMs'),
      releasedMb: of('releasedMb'),
      loopMs: of('delayMs'),
      idleLoopMs: of('idleDelayMs'),
    };
  });
}

module.exports = { measurePurge };
