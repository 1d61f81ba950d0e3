'use strict';
// Where the shipped libjemalloc.so.2 is.

const fs = require('node:fs');
const path = require('node:path');

const { platform } = require('./native.js');

/**
 * As packages are named: the one whose addon loaded, since it has the same libc. musl's dynamic linker
 * does not start a program at all where it cannot load a library for glibc.
 */
function platformName() {
  if (platform) return platform;
  const { glibcVersionRuntime } = process.report.getReport().header;
  return `${process.platform}-${process.arch}-${glibcVersionRuntime ? 'gnu' : 'musl'}`;
}

function packaged(name) {
  try {
    return path.join(path.dirname(require.resolve(`${name}/package.json`)), 'libjemalloc.so.2');
  } catch {
    return null;
  }
}

/** The path of the shipped libjemalloc.so.2, or `null` and why there is none. */
function findLibrary() {
  if (process.platform !== 'linux') {
    return { library: null, why: `heapgap ships no allocator for ${process.platform}` };
  }
  const name = `@heapgap/${platformName()}`;
  const candidates = [path.join(__dirname, '..', 'preload', 'libjemalloc.so.2'), packaged(name)];
  const library = candidates.find((file) => file !== null && fs.existsSync(file));
  if (!library) return { library: null, why: `${name} is not installed` };
  // ld.so(8): LD_PRELOAD is a list separated by spaces or colons, and nothing escapes them.
  if (/[\s:]/.test(library)) return { library: null, why: `LD_PRELOAD cannot hold ${library}` };
  return { library, why: null };
}

module.exports = { findLibrary };
