'use strict';
// What V8 and Node.js know about themselves. Only JavaScript can ask them.

// Loaded when first asked: it takes a third of the time that requiring heapgap does. Unlike a file it
// can be loaded when no descriptor is left.
let loaded;
const v8 = () => {
  loaded ??= require('node:v8');
  return loaded;
};

let lastMemory = null;
let lastReadAt = Number.NEGATIVE_INFINITY;

/**
 * `process.memoryUsage()`, or null where it throws: it opens a file of /proc, which takes longer than
 * all else that is asked of Node.js, and descriptors may have run out. At most `maxAgeMs` old.
 */
function readMemoryUsage(maxAgeMs) {
  const now = performance.now();
  if (maxAgeMs > 0 && now - lastReadAt <= maxAgeMs) return lastMemory;
  try {
    lastMemory = process.memoryUsage();
    lastReadAt = now;
    return lastMemory;
  } catch {
    return null;
  }
}

/** V8's heap, and what Node.js counts beside it, in bytes. `memory` is of `readMemoryUsage()`. */
function readV8(memory) {
  const heap = v8().getHeapStatistics();
  return {
    heapTotal: heap.total_heap_size,
    heapUsed: heap.used_heap_size,
    heapLimit: heap.heap_size_limit,
    heapPhysical: heap.total_physical_size,
    heapExecutable: heap.total_heap_size_executable,
    external: heap.external_memory,
    arrayBuffers: memory ? memory.arrayBuffers : null,
    malloced: heap.malloced_memory,
    mallocedPeak: heap.peak_malloced_memory,
    globalHandles: heap.total_global_handles_size,
    nativeContexts: heap.number_of_native_contexts,
    detachedContexts: heap.number_of_detached_contexts,
    spaces: v8()
      .getHeapSpaceStatistics()
      .map((space) => ({
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

/** The heap's pages in physical memory, in bytes. */
const heapPhysical = () => v8().getHeapStatistics().total_physical_size;

module.exports = { countResources, heapPhysical, readMemoryUsage, readV8 };
