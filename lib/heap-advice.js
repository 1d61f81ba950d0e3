'use strict';
// What --max-old-space-size fits a container. Advised, never set: a heap that is too small ends a
// service as surely as one that is too large.

const MIB = 2 ** 20;

/**
 * What a service that does not run yet will need beside V8's heap, for want of a measurement: an idle
 * Express service has 55 MB (README), most of it Node.js's code, and Buffers come on top under load.
 */
const USUAL_BESIDE_HEAP = 96 * MIB;

/** Of the limit, for what the kernel charges to the group beside RSS: sockets, page tables, slabs. */
const KERNEL_SHARE = 0.05;

/**
 * Of the limit, for V8's young generation, which comes on top of the old space. V8 scales it by the
 * container's memory: 1 to 5 % of the limit on Node.js 20 to 26 (docs/malloc-conf.md).
 */
const YOUNG_SHARE = 0.05;

/** An idle Express service's heap has 10 MB; with less than three times that it could not work. */
const LEAST_OLD_SPACE = 32 * MIB;

const mb = (bytes) => `${Math.round(bytes / MIB)} MB`;

/**
 * The old space that fits, in bytes all: `limit` is the container's, `heapLimit` V8's present
 * `heap_size_limit`, `besideHeap` what the process needs beside V8's heap (RSS less the heap's resident
 * part, at its peak). `null` stands for what is not known.
 *
 * Answers the value for `--max-old-space-size`, whether the present heap limit fits, and why, in one
 * sentence; `null` for what cannot be said.
 */
function adviseHeap({ limit = null, heapLimit = null, besideHeap = null }) {
  if (limit === null) {
    return {
      maxOldSpaceMb: null,
      fits: null,
      why: 'there is no memory limit to fit the heap into',
    };
  }
  const beside = besideHeap ?? USUAL_BESIDE_HEAP;
  const needs = `${besideHeap === null ? 'a service usually needs' : 'the process needs'} ${mb(beside)} beside it`;
  const room = limit * (1 - KERNEL_SHARE) - beside;
  const oldSpace = room - limit * YOUNG_SHARE;
  const fits = heapLimit === null ? null : heapLimit <= room;
  if (oldSpace < LEAST_OLD_SPACE) {
    const why = `no heap fits: ${needs}, of a limit of ${mb(limit)}; raise the limit`;
    return { maxOldSpaceMb: null, fits: fits && false, why };
  }
  const maxOldSpaceMb = Math.floor(oldSpace / MIB);
  const heap = heapLimit === null ? 'V8 may grow' : `V8 may grow its heap to ${mb(heapLimit)}`;
  const verdict = { true: 'fits', false: 'does not fit', null: 'has to fit' }[fits];
  const why = `${heap} and ${needs}, which ${verdict} into the limit of ${mb(limit)}; \
--max-old-space-size=${maxOldSpaceMb} is the most that does`;
  return { maxOldSpaceMb, fits, why };
}

module.exports = { USUAL_BESIDE_HEAP, adviseHeap };
