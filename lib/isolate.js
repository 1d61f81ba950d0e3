'use strict';
// What V8 and Node.js know about themselves. Only JavaScript can ask them.

const v8 = require('node:v8');

/** V8's heap, and what Node.js counts beside it, in bytes. `memory` is process.memoryUsage(). */
function readV8(memory) {
  const heap = v8.getHeapStatistics();
  return {
    heapTotal: memory.heapTotal,
    heapUsed: memory.heapUsed,
    heapLimit: heap.heap_size_limit,
    heapPhysical: heap.total_physical_size,
    heapExecutable: heap.total_heap_size_executable,
    external: memory.external,
    arrayBuffers: memory.arrayBuffers,
    malloced: heap.malloced_memory,
    mallocedPeak: heap.peak_malloced_memory,
    globalHandles: heap.total_global_handles_size,
    nativeContexts: heap.number_of_native_contexts,
    detachedContexts: heap.number_of_detached_contexts,
    spaces: v8.getHeapSpaceStatistics().map((space) => ({
      name: space.space_name,
      size: space.space_size,
      used: space.space_used_size,
      available: space.space_available_size,
      physical: space.physical_space_size,
    })),
  };
}

/** What Node.js takes to list its resources is 0.1 to 1 µs each: under this many it is harmless. */
const FEW_RESOURCES = 1000;
const BUDGET_MS = 1;
let tooMany = false;

/**
 * What keeps the event loop alive, counted by type; `null` once counting has been found to hold the
 * event loop for more than a millisecond, unless `force` is set.
 */
function countResources(force) {
  if (tooMany && !force) return null;
  const started = performance.now();
  const types = process.getActiveResourcesInfo();
  const counts = {};
  for (const type of types) counts[type] = (counts[type] ?? 0) + 1;
  tooMany = types.length > FEW_RESOURCES && performance.now() - started > BUDGET_MS;
  return counts;
}

module.exports = { countResources, readV8 };
