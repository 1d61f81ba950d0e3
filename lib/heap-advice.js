'use strict';
// What --max-old-space-size fits a container. Advised, never set: a heap that is too small ends a
// service as surely as one that is too large.

const MIB = 2 ** 20;

/**
 * What a service needs beside V8's heap is assumed to be, for want of a measurement under load: an idle
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

const NO_LIMIT = 'there is no memory limit to fit the heap into';

/**
 * The old space that fits, in bytes all: `limit` is the container's, `heapLimit` V8's present
 * `heap_size_limit`, `besideHeap` what the process needs beside V8's heap (RSS less the heap's resident
 * part, at its peak). `null` stands for what is not known. `processes` alike ones share the limit.
 *
 * Answers the value for `--max-old-space-size`, whether the present heap limit fits, and why, in one
 * sentence; `null` for what cannot be said.
 */
function adviseHeap({ limit = null, heapLimit = null, besideHeap = null, processes = 1 }) {
  if (limit === null) return { maxOldSpaceMb: null, fits: null, why: NO_LIMIT };
  const beside = besideHeap ?? USUAL_BESIDE_HEAP;
  const each = processes === 1 ? '' : 'each of ';
  const who = processes === 1 ? 'the process' : `${processes} processes`;
  const needs =
    besideHeap === null
      ? `${mb(beside)} are assumed beside it`
      : `${each}${who} needs about ${mb(beside)} beside it`;
  const room = (limit * (1 - KERNEL_SHARE)) / processes - beside;
  const oldSpace = room - limit * YOUNG_SHARE;
  const fits = heapLimit === null ? null : heapLimit <= room;
  if (oldSpace < LEAST_OLD_SPACE) {
    const why = `no heap fits${processes === 1 ? '' : ` for ${each}${who}`}: ${needs}, of a limit of ${mb(limit)}; raise the limit`;
    return { maxOldSpaceMb: null, fits: fits && false, why };
  }
  const maxOldSpaceMb = Math.floor(oldSpace / MIB);
  const owner = processes === 1 ? '' : `in ${each}${who} `;
  const heap = `${owner}V8 may grow${heapLimit === null ? '' : ` its heap to ${mb(heapLimit)}`}`;
  const verdict = { true: 'fits', false: 'does not fit', null: 'has to fit' }[fits];
  const why = `${heap} and ${needs}, which ${verdict} into the limit of ${mb(limit)}; \
a heap of about ${maxOldSpaceMb} MB fits: --max-old-space-size=${maxOldSpaceMb}`;
  return { maxOldSpaceMb, fits, why };
}

module.exports = { USUAL_BESIDE_HEAP, adviseHeap };
