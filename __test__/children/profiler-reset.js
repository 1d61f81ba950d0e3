'use strict';
// What a reset leaves of what was sampled before it, by the functions that have allocated; and whether the rate can be changed
// then.

const { profiler } = require('../..');
const { bytesWith, decode } = require('../support/pprof.js');

const kept = [];

function keepBefore() {
  for (let i = 0; i < 400; i++) kept.push(Buffer.allocUnsafeSlow(50_000));
}

function keepAfter() {
  for (let i = 0; i < 400; i++) kept.push(Buffer.allocUnsafeSlow(50_000));
}

async function shown() {
  const profile = decode(await profiler.dump());
  return ['keepBefore', 'keepAfter'].map((name) => bytesWith(profile, name));
}

async function main() {
  const first = await profiler.start({ sampleBytes: 16_384 });
  keepBefore();
  const before = await shown();
  await profiler.reset();
  keepAfter();
  const after = await shown();
  const again = await profiler.start({ sampleBytes: 65_536 });
  const unchanged = await shown();
  process.stdout.write(
    JSON.stringify({ first, before, after, again, unchanged, count: kept.length }),
  );
}

main();
