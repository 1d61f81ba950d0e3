// The same in TypeScript that becomes CommonJS.

import assert = require('node:assert');
import heapgap = require('heapgap');

const {
  allocator,
  diagnose,
  doctor,
  govern,
  inspect,
  profiler,
  purge,
  route,
  shed,
  snapshot,
  stats,
  watch,
} = heapgap;
const taken: typeof heapgap = {
  allocator,
  diagnose,
  doctor,
  govern,
  inspect,
  profiler,
  purge,
  route,
  shed,
  snapshot,
  stats,
  watch,
};

const figures: heapgap.Snapshot = taken.snapshot();
const name: heapgap.AllocatorName = taken.allocator().name;
assert.equal(figures.allocator.name, name);
// @ts-expect-error: a string is no number
assert.throws(() => stats({ maxAgeMs: '1' }), { code: 'ERR_HEAPGAP_INVALID_ARG_TYPE' });
