'use strict';
// Times heapgap's calls, and what else there is to ask, in turn, in rounds. Argument: the number of rounds.

const v8 = require('node:v8');
const nativeMetrics = require('@datadog/native-metrics');
const pidusage = require('pidusage');
const { Registry } = require('prom-client');
const heapgap = require('../..');
const { collectMetrics } = require('../../lib/prometheus.js');
const { spread } = require('../statistics.js');
const { micros, watchLoop } = require('./timing.js');

const SYNCHRONOUS = {
  'stats()': () => heapgap.stats(),
  'snapshot()': () => heapgap.snapshot(),
  'process.memoryUsage()': () => process.memoryUsage(),
  'process.memoryUsage.rss()': () => process.memoryUsage.rss(),
  'v8.getHeapStatistics()': () => v8.getHeapStatistics(),
  '@datadog/native-metrics stats()': () => nativeMetrics.stats(),
};

/** A registry with heapgap's metrics. A diagnosis, with `findings`, is made once in some seconds. */
function registryOf(options) {
  const register = new Registry();
  collectMetrics({ register, ...options });
  return register;
}

const withFindings = registryOf({ findings: true });
const withoutFindings = registryOf({ findings: false });

/** How many calls a round has of each. */
const ASYNCHRONOUS = {
  'inspect()': { calls: 3, call: () => heapgap.inspect() },
  'a scrape': { calls: 20, call: () => withFindings.metrics() },
  'a scrape, findings: false': { calls: 20, call: () => withoutFindings.metrics() },
  'pidusage(process.pid)': { calls: 20, call: () => pidusage(process.pid) },
};

async function answered(call) {
  const started = performance.now();
  await call();
  return (performance.now() - started) * 1e3;
}

const us = {};
const loopUs = {};
const note = (figures, name, value) => {
  figures[name] ??= [];
  figures[name].push(value);
};

async function round() {
  // Started, it looks at each turn of the event loop, which others would pay for.
  nativeMetrics.start();
  for (const [name, call] of Object.entries(SYNCHRONOUS)) note(us, name, micros(call));
  nativeMetrics.stop();
  for (const [name, { calls, call }] of Object.entries(ASYNCHRONOUS)) {
    for (let i = 0; i < calls; i++) {
      note(us, name, await answered(call));
      const { delayMs } = await watchLoop(call);
      note(loopUs, name, delayMs * 1e3);
    }
  }
}

async function main() {
  await round();
  for (const figures of [us, loopUs]) for (const name of Object.keys(figures)) delete figures[name];
  for (let rounds = Number(process.argv[2]); rounds > 0; rounds--) await round();
  pidusage.clear();
  const rows = Object.keys(us).map((name) => ({
    name,
    allocator: heapgap.allocator().name,
    us: spread(us[name]),
    loopUs: spread(loopUs[name] ?? []),
  }));
  process.stdout.write(JSON.stringify(rows));
}

main();
