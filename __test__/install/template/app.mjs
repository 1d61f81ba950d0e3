// Every public name, imported by name: Node.js has to find them in a CommonJS file.

import assert from 'node:assert';
import heapgap, { allocator, doctor, purge, route, snapshot, stats } from 'heapgap';

const taken = { allocator, doctor, purge, route, snapshot, stats };
assert.deepStrictEqual(Object.keys(taken).sort(), Object.keys(heapgap).sort());
for (const [name, value] of Object.entries(taken)) assert.equal(typeof value, 'function', name);
assert.equal(allocator().capabilities.stats, true, allocator().evidence.join('; '));
assert.ok(stats().allocated > 0);

const { processes } = await doctor();
assert.equal(processes[0].allocator.name, allocator().name);
