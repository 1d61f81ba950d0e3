'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { JEMALLOCS, preload } = require('./support/allocators.js');
const { runChild } = require('./support/child.js');

/** What is preloaded, in order; who serves malloc then, and what can be done with it. */
const CASES = [
  { names: ['glibc'], live: 'glibc', version: /^2\.\d+$/, library: /libc\.so/, capable: true },
  ...JEMALLOCS.map((name) => ({
    names: [name],
    live: 'jemalloc',
    version: new RegExp(`^${name.split(' ')[1]}-[^\\0]+$`),
    library: /libjemalloc\.so\.2$/,
    capable: true,
  })),
  { names: ['mimalloc'], live: 'mimalloc', version: /^2\.0\.\d+$/, library: /mimalloc/ },
  { names: ['tcmalloc'], live: 'tcmalloc', version: /^2\.\d+/, library: /tcmalloc/ },
  { names: ['mimalloc', 'jemalloc 5.3.0'], live: 'mimalloc', library: /mimalloc/ },
  { names: ['mimalloc', 'jemalloc 5.3.1'], live: 'mimalloc', library: /mimalloc/ },
  { names: ['tcmalloc', 'jemalloc 5.3.0'], live: 'tcmalloc', library: /tcmalloc/ },
  { names: ['jemalloc 5.3.0', 'mimalloc'], live: 'jemalloc', library: /jemalloc/, capable: true },
  // The next two crash where the first library leaves operator new to the second.
  { names: ['jemalloc 5.3.1', 'mimalloc'], live: 'jemalloc', library: /preload/, capable: true },
  {
    names: ['jemalloc 5.3.1', 'jemalloc 5.3.0'],
    live: 'jemalloc',
    version: /^5\.3\.1-/,
    library: /preload/,
    capable: true,
  },
];

for (const { names, live, version = /./, library, capable = false } of CASES) {
  test(`preloading ${names.join(' and ')}: ${live} is live`, async (t) => {
    const libraries = preload(t, ...names);
    if (libraries === null) return;
    const allocator = await runChild('identify.js', { preload: libraries });
    assert.equal(allocator.name, live);
    assert.match(allocator.version, version);
    assert.match(allocator.library, library);
    assert.deepEqual(allocator.capabilities, { stats: capable, purge: capable });
    assert.ok(allocator.evidence.length >= 2, 'the proof and the library');
  });
}

test('a jemalloc that serves nothing is named in the evidence', async (t) => {
  const libraries = preload(t, 'mimalloc', 'jemalloc 5.3.0');
  if (libraries === null) return;
  const { evidence } = await runChild('identify.js', { preload: libraries });
  assert.ok(evidence.includes('a jemalloc is loaded (mallctl) but does not serve malloc'));
});

test('the answer is a copy: what a caller does to it stays there', () => {
  const heapgap = require('..');
  heapgap.allocator().evidence.push('mine');
  heapgap.allocator().capabilities.purge = 'mine';
  assert.ok(!heapgap.allocator().evidence.includes('mine'));
  assert.notEqual(heapgap.allocator().capabilities.purge, 'mine');
});
