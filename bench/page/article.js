'use strict';
// The table that heapgap began with: a service with a heap of 280 MB in containers of 512 MB, on glibc and on a
// preloaded jemalloc. And what our tables have in its rows.

const theirs = (title, before, after, change) => ({ title, before, after, change });

/** In the article's order. Kills are counted, the others are figures of a run. */
const HEADLINE = [
  {
    key: 'peak',
    title: 'Peak RSS under load',
    unit: 'MB',
    article: theirs('Peak RSS under load', '485 MB', '335 MB', '−31 %'),
  },
  {
    key: 'after15',
    title: 'RSS 15 s after the load',
    unit: 'MB',
    article: theirs('RSS after load subsides', '410 MB', '295 MB', '−28 %'),
  },
  {
    key: 'kills',
    title: 'OOM kills, of runs at the same limits',
    article: theirs('OOM kills (7-day window)', '12', '0', '−100 %'),
  },
  {
    key: 'p99',
    title: 'p99 response latency',
    unit: 'ms',
    article: theirs('p99 response latency', '142 ms', '138 ms', '−3 %'),
  },
  {
    key: 'gapPeak',
    title: 'RSS less V8’s heap, at the peak',
    unit: 'MB',
    article: theirs('RSS less heap', '~200 MB', '< 50 MB', '~−75 %'),
  },
  {
    key: 'perSecond',
    title: 'Throughput',
    unit: 'per s',
    article: theirs('Throughput', '—', '—', '—'),
  },
];

module.exports = { HEADLINE };
