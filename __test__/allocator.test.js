'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');
const { JEMALLOCS, preload } = require('./support/allocators.js');
const { runChild } = require('./support/child.js');

/** mimalloc 2.0 miscounts, so that there is nothing to read; it can be purged all the same. */
const PURGE_ONLY = { stats: false, purge: true };
const BOTH = { stats: true, purge: true };

/** What is preloaded, in order; who serves malloc then, and what can be done with it. */
const CASES = [
  { names: ['glibc'], live: 'glibc', version: /^2\.\d+$/, library: /libc\.so/ },
  ...JEMALLOCS.map((name) => ({
    names: [name],
    live: 'jemalloc',
    version: new RegExp(`^${name.split(' ')[1]}-[^\\0]+$`),
    library: /libjemalloc\.so\.2$/,
  })),
  { names: ['mimalloc'], live: 'mimalloc', version: /^2\./, library: /mimalloc/ },
  { names: ['tcmalloc'], live: 'tcmalloc', version: /^2\.\d+/, library: /tcmalloc/ },
  { names: ['mimalloc', 'jemalloc 5.3.0'], live: 'mimalloc', library: /mimalloc/ },
  { names: ['mimalloc', 'jemalloc 5.3.1'], live: 'mimalloc', library: /mimalloc/ },
  { names: ['tcmalloc', 'jemalloc 5.3.0'], live: 'tcmalloc', library: /tcmalloc/ },
  { names: ['jemalloc 5.3.0', 'mimalloc'], live: 'jemalloc', library: /jemalloc/ },
  // The next two crash where the first library leaves operator new to the second.
  { names: ['jemalloc 5.3.1', 'mimalloc'], live: 'jemalloc', library: /preload/ },
  {
    names: ['jemalloc 5.3.1', 'jemalloc 5.3.0'],
    live: 'jemalloc',
    version: /^5\.3\.1-/,
    library: /preload/,
  },
];

for (const { names, live, version = /./, library } of CASES) {
  test(`preloading ${names.join(' and ')}: ${live} is live`, async (t) => {
    const libraries = preload(t, ...names);
    if (libraries === null) return;
    const allocator = await runChild('identify.js', { preload: libraries });
    assert.equal(allocator.name, live);
    assert.match(allocator.version, version);
    assert.match(allocator.library, library);
    const counts = live !== 'mimalloc' || !allocator.version.startsWith('2.0.');
    assert.deepEqual(allocator.capabilities, counts ? BOTH : PURGE_ONLY);
    assert.ok(allocator.evidence.length >= 2, 'the proof and the library');
  });
}

test('glibc that maps every block by itself is still glibc', async (t) => {
  const libraries = preload(t, 'glibc');
  if (libraries === null) return;
  const env = { MALLOC_MMAP_THRESHOLD_: '4096', MALLOC_TOP_PAD_: '0' };
  const { name, capabilities } = await runChild('identify.js', { env });
  assert.equal(name, 'glibc');
  assert.deepEqual(capabilities, BOTH);
});

/** The compiler's library, or `null`: without it, gcc answers with the name alone. */
function addressSanitizer() {
  try {
    const file = execFileSync('gcc', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
    return path.isAbsolute(file) ? file : null;
  } catch {
    return null;
  }
}

test('AddressSanitizer is told from the libc that it replaces', async (t) => {
  const library = addressSanitizer();
  if (library === null) {
    if (process.env.CI) throw new Error('gcc has no libasan.so');
    t.skip('gcc has no libasan.so');
    return;
  }
  const env = { ASAN_OPTIONS: 'detect_leaks=0' };
  const { name, capabilities } = await runChild('identify.js', { preload: library, env });
  assert.equal(name, 'asan');
  assert.deepEqual(capabilities, { stats: false, purge: false });
});

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
