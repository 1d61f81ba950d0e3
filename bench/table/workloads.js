'use strict';
// The services that are measured, and the load that each gets.

/**
 * Each: `perSecond`, the highest rate; `flags` of Node.js and variables of the environment; the limits at which kills are
 * counted, in descending order.
 */
const WORKLOADS = [
  {
    name: 'pool',
    title: 'Mixed pool',
    about:
      'zlib, scrypt, DNS and files on 16 threads of libuv’s pool, beside a store and sessions in V8’s heap',
    perSecond: 45,
    flags: ['--max-old-space-size=400'],
    env: ['UV_THREADPOOL_SIZE=16'],
    limitsMb: [384, 256],
  },
  {
    name: 'gateway',
    title: 'Gateway',
    about: 'asks four services for each request, puts together what they answer and compresses it',
    perSecond: 45,
    limitsMb: [136, 124],
  },
  {
    name: 'images',
    title: 'Images',
    about: 'resizes photographs to three widths with sharp',
    perSecond: 15,
    limitsMb: [128, 112],
  },
  {
    name: 'render',
    title: 'Render',
    about: 'renders large pages with React out of a store in V8’s heap, and caches them',
    perSecond: 40,
    flags: ['--max-old-space-size=400'],
    limitsMb: [340],
  },
];

module.exports = { WORKLOADS };
