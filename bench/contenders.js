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

/** Each: the name that `--only` takes, the name that tables show, and the words before `node`. */
const CONTENDERS = [
  { name: 'glibc', title: 'glibc', words: [] },
  {
    name: 'arena-max-2',
    title: 'glibc, `MALLOC_ARENA_MAX=2`',
    words: ['env', 'MALLOC_ARENA_MAX=2'],
  },
  { name: 'article', title: 'jemalloc as in the article', words: jemalloc(ARTICLE) },
  {
    name: 'decay-0',
    title: 'the same, `dirty_decay_ms:0`',
    words: jemalloc(`${ARTICLE},dirty_decay_ms:0`),
  },
  { name: 'mimalloc', title: 'mimalloc', words: preloaded('mimalloc') },
  { name: 'tcmalloc', title: 'tcmalloc', words: preloaded('tcmalloc') },
  { name: UNGOVERNED, title: '`heapgap run`', words: heapgap('run') },
  { name: GOVERNED, title: '`heapgap run --govern`', words: heapgap('run', '--govern') },
];

/** Those with these names, in this order. */
const contenders = (...names) =>
  names.map((wanted) => CONTENDERS.find(({ name }) => name === wanted));

module.exports = { GOVERNED, UNGOVERNED, contenders };
