'use strict';
// The services that are measured, and the load that each gets.

/** Bursts of different sizes, with idle between: shares of a workload's rate. */
const SHAPE = [0.6, 1, 0.4, 1, 0.7, 1];
const BURST_SECONDS = 3;
const IDLE_SECONDS = 1;

/** Each: `perSecond`, the highest rate; the words between `node` and the service; its environment. */
const WORKLOADS = [
  {
    name: 'gateway',
    title: 'Gateway',
    about: 'asks four services for each request, puts their JSON together and compresses it',
    perSecond: 130,
    limitsMb: [256, 192],
  },
  {
    name: 'images',
    title: 'Images',
    about: 'resizes photographs to three widths with sharp',
    perSecond: 12,
    limitsMb: [256, 192],
  },
  {
    name: 'render',
    title: 'Render',
    about: 'renders large pages with React out of a store in V8’s heap, and caches them',
    perSecond: 50,
    flags: ['--max-old-space-size=400'],
    limitsMb: [448, 400],
  },
  {
    name: 'pool',
    title: 'Mixed pool',
    about: 'zlib, scrypt, DNS and files on 32 threads of libuv’s pool',
    perSecond: 60,
    env: ['UV_THREADPOOL_SIZE=32'],
    limitsMb: [256, 192],
  },
];

const burstsOf = ({ perSecond }) =>
  SHAPE.map((share) => ({
    perSecond: Math.round(perSecond * share),
    seconds: BURST_SECONDS,
    idleSeconds: IDLE_SECONDS,
  }));

module.exports = { WORKLOADS, burstsOf };
