'use strict';
// What is in the binaries, and what is not (invariant 1 of ARCHITECTURE.md).

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { LIBRARIES } = require('./support/allocators.js');

const root = path.join(__dirname, '..');
require('..');
const addon = Object.keys(require.cache).find((file) => file.endsWith('.node'));

/** The addon as it was linked: scripts/build.js strips the copy that is shipped. */
function unstripped() {
  const age = (file) => fs.statSync(file).mtimeMs;
  return findLinked(path.join(root, 'target')).sort((a, b) => age(b) - age(a))[0];
}

function findLinked(target) {
  return fs
    .readdirSync(target)
    .flatMap((folder) => [path.join(target, folder), path.join(target, folder, 'release')])
    .map((folder) => path.join(folder, 'libheapgap.so'))
    .filter((file) => fs.existsSync(file));
}

const nm = (...args) =>
  execFileSync('nm', args, { encoding: 'utf8', maxBuffer: 2 ** 27 })
    .trim()
    .split('\n');
const symbol = (line) => line.trim().split(/\s+/).at(-1);

test('the addon links no allocator of its own', () => {
  const symbols = nm(unstripped()).map(symbol);
  assert.ok(symbols.length > 500, 'there is a symbol table to look at');
  const jemalloc = symbols.filter((name) =>
    /_rjem_je_|^je_|jemalloc_(constructor|bg_thd)/.test(name),
  );
  assert.deepEqual(jemalloc, []);
});

test('the addon exports nothing but its registration', () => {
  const exported = nm('--dynamic', '--defined-only', addon).map(symbol);
  assert.deepEqual(exported, ['napi_register_module_v1']);
});

test('the addon takes malloc from whoever serves it', () => {
  const imported = nm('--dynamic', '--undefined-only', addon).map(
    (line) => symbol(line).split('@')[0],
  );
  for (const name of ['malloc', 'free']) assert.ok(imported.includes(name), name);
  const foreign = imported.filter((name) => /mallctl|mallinfo|malloc_trim/.test(name));
  assert.deepEqual(
    foreign,
    [],
    'looked up at run time, so that their absence is no failure to load',
  );
});

test('the addon stays mapped when the worker that loaded it ends', () => {
  const dynamic = execFileSync('readelf', ['--dynamic', addon], { encoding: 'utf8' });
  assert.match(dynamic, /FLAGS_1.*NODELETE/);
});

test('the addon and the library are small', () => {
  // A third of the addon is for profiles: symbols, demangling, pprof and flame graphs.
  assert.ok(fs.statSync(addon).size <= 2 * 1024 * 1024, `${fs.statSync(addon).size} bytes`);
  const library = fs.statSync(LIBRARIES['jemalloc 5.3.1']).size;
  assert.ok(library <= 1024 * 1024, `${library} bytes`);
});

test('the library is a whole replacement for malloc', () => {
  const exported = nm('--dynamic', '--defined-only', LIBRARIES['jemalloc 5.3.1']).map(symbol);
  const allocation = ['malloc', 'calloc', 'realloc', 'free', 'posix_memalign', 'aligned_alloc'];
  const rest = ['memalign', 'valloc', 'malloc_usable_size', '_Znwm', '_Znam', '_ZdlPv', '_ZdaPvm'];
  const control = ['mallctl', 'mallctlnametomib', 'mallctlbymib', 'malloc_stats_print'];
  for (const name of [...allocation, ...rest, ...control]) {
    assert.ok(exported.includes(name), name);
  }
  const needed = execFileSync('readelf', ['--dynamic', LIBRARIES['jemalloc 5.3.1']], {
    encoding: 'utf8',
  });
  assert.match(needed, /SONAME.*\[libjemalloc\.so\.2\]/);
  assert.doesNotMatch(needed, /NEEDED.*stdc\+\+/);
});

test('the addon, its loader and the package are of one version', () => {
  const { VERSION, addon: loadedAddon } = require('../lib/native.js');
  assert.equal(VERSION, require('../package.json').version);
  assert.equal(loadedAddon.version(), VERSION);
});
