'use strict';
// The entries of LD_PRELOAD (ld.so(8)), and what is in their files.

const { exportsSymbol, parseElf } = require('./elf.js');
const { exists, readText, resolveIn, withFile } = require('./files.js');

/** Libraries that bring a malloc, by file name. */
const ALLOCATORS = [
  ['jemalloc', /jemalloc/],
  ['mimalloc', /mimalloc/],
  ['tcmalloc', /tcmalloc/],
  ['asan', /^libasan\.so|^libclang_rt\.asan/],
  ['hoard', /^libhoard/],
  ['rpmalloc', /rpmalloc/],
  ['snmalloc', /snmalloc/],
];

/** The allocator that a file is by its name, or `null`. */
function allocatorByName(file) {
  const name = file.slice(file.lastIndexOf('/') + 1);
  return ALLOCATORS.find(([, pattern]) => pattern.test(name))?.[0] ?? null;
}

const TRIPLETS = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

/** How much of a list is looked at: no real one is as long, and somebody waits for the answer. */
const MAX_ENTRIES = 64;

/** Where a name without a slash is looked for, besides /etc/ld.so.cache (ld.so(8)). */
function searchPath(libraryPath) {
  const triplet = TRIPLETS[process.arch];
  const folders = ['/lib64', '/usr/lib64', '/lib', '/usr/lib', '/usr/local/lib'];
  const multiarch = triplet ? [`/lib/${triplet}`, `/usr/lib/${triplet}`] : [];
  const own = (libraryPath ?? '').split(/[:;]/).filter(Boolean).slice(0, MAX_ENTRIES);
  return [...own, ...multiarch, ...folders];
}

function findByName(root, name, libraryPath, cache) {
  const places = searchPath(libraryPath).map((folder) => `${folder}/${name}`);
  const cached = cache().filter((text) => text.endsWith(`/${name}`));
  return [...places, ...cached].find((file) => file.startsWith('/') && exists(root, file)) ?? null;
}

/** What the file is: `{ problem }` in a word, or its ELF facts. */
function inspect(place) {
  if (place === null) return { problem: 'missing', detail: 'its links go round in circles' };
  try {
    return withFile(place, (read) => {
      const elf = parseElf(read);
      if (elf.error) return { problem: 'not-a-library', detail: elf.error };
      if (elf.type !== 'shared' || elf.interpreter !== null)
        return { problem: 'not-a-library', detail: 'it is a program, not a shared object', elf };
      return { problem: null, detail: null, elf, malloc: exportsSymbol(read, 'malloc') };
    });
  } catch (error) {
    return problemOf(error.code);
  }
}

function problemOf(code) {
  if (code === 'EACCES' || code === 'EPERM') return { problem: 'unreadable', detail: code };
  if (code === 'EISDIR') return { problem: 'not-a-library', detail: 'it is not a regular file' };
  if (code === 'ENOENT' || code === 'ENOTDIR') return { problem: 'missing', detail: code };
  return { problem: 'unreadable', detail: code ?? 'unknown' };
}

/**
 * The entries of `environment.LD_PRELOAD`. `root` and `cwd` are the process's own; a `cwd` of `null`
 * is not known, and what depends on it is not looked at.
 */
function readPreload(environment, { root = '/', cwd = null } = {}) {
  const pieces = (environment.LD_PRELOAD ?? '').split(':', MAX_ENTRIES);
  const spaced = pieces.filter((piece) => isSpaced(piece, root));
  const words = wordsOf(pieces.filter((piece) => !spaced.includes(piece)).join(':'));
  const cache = memoised(() => readCache(root));
  const split = spaced.map((entry) => ({
    entry,
    file: entry,
    allocator: allocatorByName(entry),
    elf: null,
    malloc: null,
    problem: 'spaces',
    detail: null,
  }));
  const seen = words.slice(0, MAX_ENTRIES);
  return [...split, ...seen.map((entry) => readEntry(entry, environment, { root, cwd, cache }))];
}

const wordsOf = (list) => list.split(/[:\s]+/).filter(Boolean);

/** Whether there is more in it than `readPreload` looks at. */
const isTooLong = ({ LD_PRELOAD = '' }) => wordsOf(LD_PRELOAD).length > MAX_ENTRIES;

function memoised(read) {
  let known = null;
  return () => {
    known ??= read();
    return known;
  };
}

/** The strings of /etc/ld.so.cache; the file names among them are absolute. */
const readCache = (root) => (readText(root, '/etc/ld.so.cache', 4 * 1024 * 1024) ?? '').split('\0');

/** A file that is there, but whose name has spaces: the linker looks for each word by itself. */
const isSpaced = (piece, root) =>
  /\S\s+\S/.test(piece) && piece.startsWith('/') && exists(root, piece);

function readEntry(entry, environment, { root, cwd, cache }) {
  const file = placeOf(entry, environment, { root, cwd, cache });
  const known = { entry, file, allocator: allocatorByName(entry), elf: null, malloc: null };
  // $ORIGIN, $LIB and $PLATFORM are the linker's to fill in (ld.so(8)).
  if (entry.includes('$')) return { ...known, problem: null, detail: null };
  if (file === null && !entry.includes('/'))
    return { ...known, problem: 'missing', detail: 'no such name in the search path' };
  if (file === null) return { ...known, problem: null, detail: null };
  return { ...known, ...inspect(resolveIn(root, file)) };
}

function placeOf(entry, environment, { root, cwd, cache }) {
  if (entry.startsWith('/')) return entry;
  if (!entry.includes('/')) return findByName(root, entry, environment.LD_LIBRARY_PATH, cache);
  return cwd === null ? null : `${cwd}/${entry.replace(/^(?:\.\/)+/, '')}`;
}

/** The ELF facts of an executable, or `null`. */
function readExecutable(place) {
  try {
    const elf = withFile(place, parseElf);
    return elf.error ? null : elf;
  } catch {
    return null;
  }
}

module.exports = { MAX_ENTRIES, allocatorByName, isTooLong, readExecutable, readPreload };
