'use strict';
// Every public name, taken as CommonJS takes it.

const assert = require('node:assert');
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
} = require('heapgap');

const taken = {
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
assert.deepStrictEqual(Object.keys(taken).sort(), Object.keys(require('heapgap')).sort());
for (const [name, value] of Object.entries(taken))
  assert.equal(typeof value, name === 'profiler' ? 'object' : 'function', name);
// musl's own malloc has no figures.
const { name: live, capabilities, evidence } = allocator();
assert.equal(capabilities.stats, live !== 'musl', evidence.join('; '));
assert.ok(snapshot().process.rss > 0);
assert.match(require('heapgap/package.json').version, /^\d/);
