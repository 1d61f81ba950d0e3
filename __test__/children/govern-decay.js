'use strict';
// Goes through pressure and prints jemalloc's decay settings before, during and after it. `end` is how
// pressure ends: `calm`, or `stop` in the middle of it. `none` does the same without a governor.

const { once } = require('node:events');
const { Worker } = require('node:worker_threads');
const { govern, inspect } = require('../..');
const { MIB, drop, fill, main, next, report, rss, until } = require('../support/govern.js');

const settings = async () =>
  (await inspect()).arenas.map(({ index, dirtyDecayMs, muzzyDecayMs }) => [
    index,
    dirtyDecayMs,
    muzzyDecayMs,
  ]);

/** Each has an arena of its own, as long as there are some without threads. */
async function startThreads(count) {
  const program =
    "require('node:worker_threads').parentPort.once('message', () => {}).postMessage(0)";
  const workers = Array.from({ length: count }, () => new Worker(program, { eval: true }));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  return workers;
}

/** jemalloc has an arena for what is as large as that. */
const large = () => Buffer.allocUnsafeSlow(32 * MIB).fill(1);

main(async (end, threads) => {
  const before = await settings();
  const workers = [];
  let governor = null;
  const held = [];
  if (end !== 'none') {
    governor = govern({ limit: rss() + 256 * MIB, calmAfterMs: 100, maxIntervalMs: 50 });
    const pressed = next(governor, 'pressure');
    held.push(...fill(320 * MIB));
    await pressed;
    await until(() => governor.state().tightened, 'tight decay');
  }
  workers.push(...(await startThreads(Number(threads))));
  const block = large();
  const during = await settings();
  const tightened = governor?.state().tightened;
  const level = governor?.state().level;
  if (end === 'calm') {
    const calm = next(governor, 'calm');
    await drop(held);
    await calm;
  }
  if (end === 'stop') await governor.stop();
  const state = governor?.state();
  const after = await settings();
  // Arenas that are first used now tell what the defaults are.
  const later = await startThreads(4);
  const afterwards = await settings();
  if (end === 'calm') await governor.stop();
  await Promise.all([...workers, ...later].map((worker) => worker.terminate()));
  report({ before, during, after, afterwards, tightened, level, state, block: block.length });
});
