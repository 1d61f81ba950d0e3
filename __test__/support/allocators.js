'use strict';
// The allocators that tests preload into children.

const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..', '..');

/** Where Debian, Ubuntu, Fedora and Arch put shared libraries. */
const FOLDERS = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
];

function library(name) {
  return FOLDERS.map((folder) => path.join(folder, name)).find((file) => fs.existsSync(file));
}

const LIBRARIES = {
  glibc: '',
  'jemalloc 5.3.0': library('libjemalloc.so.2'),
  'jemalloc 5.3.1': path.join(root, 'preload', 'libjemalloc.so.2'),
  mimalloc: library('libmimalloc.so.2'),
  tcmalloc: library('libtcmalloc_minimal.so.4'),
};

const JEMALLOCS = ['jemalloc 5.3.0', 'jemalloc 5.3.1'];

/**
 * The value of LD_PRELOAD for an allocator. A missing one skips the test `t` on a developer's machine
 * and fails it under CI.
 */
function preload(t, ...names) {
  const missing = names.filter((name) => LIBRARIES[name] === undefined);
  if (missing.length > 0) {
    const message = `${missing.join(', ')} is not installed (README, Developing: what the tests need)`;
    if (process.env.CI) throw new Error(message);
    t.skip(message);
    return null;
  }
  return names.map((name) => LIBRARIES[name]).join(':');
}

module.exports = { JEMALLOCS, LIBRARIES, preload };
