'use strict';
// What makes a governor purge, far from the limit of its own option and near it. Prints what it told.

const { setTimeout: sleep } = require('node:timers/promises');
const { govern, snapshot } = require('../..');
const { MIB, drop, fill, hear, main, next, report, rss, until } = require('../support/govern.js');

const GIB = 1024 * MIB;
/** Looks often, and does nothing by itself. */
const PASSIVE = { purgeEveryMs: 0, dirtyMark: 1, maxIntervalMs: 20 };

/** Frees far more than a mark, far from the limit. */
async function far(options) {
  const held = fill(384 * MIB);
  const governor = govern({ ...PASSIVE, limit: rss() + 4 * GIB, ...options });
  const heard = hear(governor);
  await until(() => governor.state().limit !== null, 'a first look');
  const full = rss();
  await drop(held, 1000);
  return { governor, heard, full };
}

const PROGRAMS = {
  async dirty() {
    const { governor, heard, full } = await far({ dirtyMark: 0.04 });
    await until(() => heard.length > 0, 'a purge');
    return { governor, heard, full, rss: rss() };
  },

  async periodic() {
    const { governor, heard, full } = await far({ purgeEveryMs: 200 });
    await until(() => heard.some(({ released }) => released > 100 * MIB), 'a purge that helped');
    return { governor, heard, full, rss: rss() };
  },

  /** Nothing is to happen, for as long as several of the others take. */
  async never() {
    const { governor, heard, full } = await far({});
    await sleep(1000);
    return { governor, heard, full, rss: rss() };
  },

  /** What is live is above the mark, so that no purge can help. So many MiB are freed beside it. */
  async limit(freed) {
    const limit = rss() + 128 * MIB;
    const governor = govern({ ...PASSIVE, limit, calmAfterMs: 50 });
    const heard = hear(governor);
    const near = next(governor, 'limit');
    const held = fill(192 * MIB);
    const others = fill(Number(freed) * MIB);
    if (others.length > 0) await drop(others);
    await near;
    const atLimit = governor.state();
    const calm = next(governor, 'calm');
    await drop(held);
    await calm;
    return { governor, heard, atLimit, option: limit };
  },
};

main(async (program, ...args) => {
  const { governor, ...told } = await PROGRAMS[program](...args);
  await governor.stop();
  report({ ...told, state: governor.state(), snapshot: snapshot().governor });
});
