'use strict';
// The experiment of diagnose(): collects garbage, purges, and measures what each gave back.

const { setImmediate: turn } = require('node:timers/promises');

const { exposedGc } = require('./gc.js');

/**
 * Twice: what the finalizers of the first let go, the second frees. V8 frees the memory of dead Buffers on
 * another thread, and waits for that before a minor collection.
 */
async function collect(gc) {
  gc();
  // Finalizers run where the event loop polls, and an immediate may come before that: the second does not.
  await turn();
  await turn();
  gc();
  gc({ type: 'minor' });
}

const sum = (...figures) =>
  figures.some((figure) => typeof figure !== 'number') ? null : figures.reduce((a, b) => a + b, 0);

const minus = (a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : null);

const bytesOf = ({ ledger }, part) => ledger.parts[part].bytes;

function stepOf(step, inspection, durationMs) {
  const { process: memory, v8: heap, allocator } = inspection;
  return {
    step,
    rss: memory.rss,
    heapUsed: heap.heapUsed,
    arrayBuffers: heap.arrayBuffers,
    allocated: allocator.allocated,
    // glibc does not count it, and a walk of its heaps does.
    pinned: allocator.pinned ?? bytesOf(inspection, 'pinned'),
    durationMs,
  };
}

/** Not less than nothing: where the process grew meanwhile, that hides what was freed. */
function garbageOf(before, after) {
  const freed = minus(
    sum(before.heapUsed, before.arrayBuffers),
    sum(after.heapUsed, after.arrayBuffers),
  );
  return freed === null ? null : Math.max(0, freed);
}

/**
 * Makes the experiment from `inspect()` and `purge()`. It answers `{ inspection, experiment }`: the
 * state as it was found, and what was found out.
 */
function createExperiment({ inspect, purge }) {
  const timed = async (work) => {
    const started = performance.now();
    await work();
    const durationMs = performance.now() - started;
    return { inspection: await inspect(), durationMs };
  };

  return async function experiment() {
    // Its context takes memory: before the first measurement.
    const gc = exposedGc();
    const start = await timed(() => {});
    const collected = await timed(() => collect(gc));
    const purged = await timed(purge);

    const first = stepOf('start', start.inspection, start.durationMs);
    const second = stepOf('gc', collected.inspection, collected.durationMs);
    const third = stepOf('purge', purged.inspection, purged.durationMs);
    const muzzy = bytesOf(collected.inspection, 'muzzy');
    const dirty = bytesOf(collected.inspection, 'dirty');
    return {
      inspection: start.inspection,
      experiment: {
        steps: [first, second, third],
        garbage: garbageOf(first, second),
        // On glibc nothing is muzzy, and that is `null`; without `dirty` nothing can be predicted.
        predicted: dirty === null ? null : dirty + (muzzy ?? 0),
        released: minus(second.rss, third.rss),
        pinned: third.pinned,
        live: sum(third.heapUsed, third.allocated),
      },
    };
  };
}

module.exports = { createExperiment };
