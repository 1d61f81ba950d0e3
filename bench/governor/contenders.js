'use strict';
// What is compared: the same service, started in six ways.

const path = require('node:path');

const { LIBRARIES } = require('../../__test__/support/allocators.js');

const CLI = path.join(__dirname, '..', '..', 'bin', 'heapgap.js');
const ARTICLE = 'background_thread:true,metadata_thp:auto';

const preloaded = (conf) => [
  'env',
  `LD_PRELOAD=${LIBRARIES['jemalloc 5.3.0']}`,
  `MALLOC_CONF=${conf}`,
];
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
  { name: 'article', title: 'jemalloc as in the article', words: preloaded(ARTICLE) },
  {
    name: 'decay-0',
    title: 'the same, `dirty_decay_ms:0`',
    words: preloaded(`${ARTICLE},dirty_decay_ms:0`),
  },
  { name: UNGOVERNED, title: '`heapgap run`', words: heapgap('run') },
  { name: GOVERNED, title: '`heapgap run --govern`', words: heapgap('run', '--govern') },
];

module.exports = { CONTENDERS, GOVERNED, UNGOVERNED };
