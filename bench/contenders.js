'use strict';
// What is compared: the same service, started in several ways.

const path = require('node:path');

const { LIBRARIES } = require('../__test__/support/allocators.js');

const CLI = path.join(__dirname, '..', 'bin', 'heapgap.js');
const ARTICLE = 'background_thread:true,metadata_thp:auto';

const preloaded = (name, ...variables) => ['env', `LD_PRELOAD=${LIBRARIES[name]}`, ...variables];
const jemalloc = (conf) => preloaded('jemalloc 5.3.0', `MALLOC_CONF=${conf}`);
const heapgap = (...words) => [process.execPath, CLI, ...words, '--'];

const GOVERNED = 'run --govern';
const UNGOVERNED = 'run';

/** Each: the name that `--only` takes, the name that tables show, the allocator, and the words before `node`. */
const CONTENDERS = [
  { name: 'glibc', allocator: 'glibc', title: 'glibc', words: [] },
  {
    name: 'arena-max-2',
    allocator: 'glibc',
    title: 'glibc, `MALLOC_ARENA_MAX=2`',
    words: ['env', 'MALLOC_ARENA_MAX=2'],
  },
  {
    name: 'article',
    allocator: 'jemalloc',
    title: 'jemalloc as in the article',
    words: jemalloc(ARTICLE),
  },
  {
    name: 'decay-0',
    allocator: 'jemalloc',
    title: 'the same, `dirty_decay_ms:0`',
    words: jemalloc(`${ARTICLE},dirty_decay_ms:0`),
  },
  { name: 'mimalloc', allocator: 'mimalloc', title: 'mimalloc', words: preloaded('mimalloc') },
  { name: 'tcmalloc', allocator: 'tcmalloc', title: 'tcmalloc', words: preloaded('tcmalloc') },
  { name: UNGOVERNED, allocator: 'jemalloc', title: '`heapgap run`', words: heapgap('run') },
  {
    name: GOVERNED,
    allocator: 'jemalloc',
    title: '`heapgap run --govern`',
    words: heapgap('run', '--govern'),
  },
];

/** Those with these names, in this order. */
const contenders = (...names) =>
  names.map((wanted) => CONTENDERS.find(({ name }) => name === wanted));

module.exports = { GOVERNED, UNGOVERNED, contenders };
