// Every public name, imported by name: Node.js has to find them in a CommonJS file.

import assert from 'node:assert';
import heapgap, {
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
} from 'heapgap';

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
assert.deepStrictEqual(Object.keys(taken).sort(), Object.keys(heapgap).sort());
for (const [name, value] of Object.entries(taken))
  assert.equal(typeof value, name === 'profiler' ? 'object' : 'function', name);
// musl's own malloc has no figures.
const { name: live, capabilities, evidence } = allocator();
assert.equal(capabilities.stats, live !== 'musl', evidence.join('; '));
if (capabilities.stats) assert.ok(stats().allocated > 0);
else assert.equal(stats().allocated, null);

const { processes } = await doctor();
assert.equal(processes[0].allocator.name, allocator().name);

const watching = watch({ intervalMs: 1000 });
const { verdict, window } = await diagnose();
watching.stop();
assert.equal(typeof verdict, 'string');
assert.equal(window.samples, 1);
const { ledger } = await inspect();
assert.ok(ledger.parts.code.bytes > 0);
