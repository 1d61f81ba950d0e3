'use strict';
// Where the shipped libjemalloc.so.2 is.

const fs = require('node:fs');
const path = require('node:path');

const LIBC_NAMES = ['gnu', 'musl'];

/** The path of the shipped libjemalloc.so.2, or `null` and why there is none. */
function findLibrary() {
  if (process.platform !== 'linux') {
    return { library: null, why: `heapgap ships no allocator for ${process.platform}` };
  }
  const names = LIBC_NAMES.map((libc) => `@heapgap/${process.platform}-${process.arch}-${libc}`);
  const candidates = [path.join(__dirname, '..', 'preload', 'libjemalloc.so.2')];
  for (const name of names) {
    try {
      candidates.push(
        path.join(path.dirname(require.resolve(`${name}/package.json`)), 'libjemalloc.so.2'),
      );
    } catch {
      // Not installed; the others remain.
    }
  }
  const library = candidates.find((file) => fs.existsSync(file));
  if (!library) return { library: null, why: `none of ${names.join(', ')} is installed` };
  // ld.so(8): LD_PRELOAD is a list separated by spaces or colons, and nothing escapes them.
  if (/[\s:]/.test(library)) return { library: null, why: `LD_PRELOAD cannot hold ${library}` };
  return { library, why: null };
}

module.exports = { findLibrary };
