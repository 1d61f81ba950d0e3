'use strict';
// Fills the memory that a governor of its own leaves, until a profile of that was kept in the folder that is its
// argument, or the governor says that none will be. Prints what it heard. A second argument: the limit is the memory cgroup's.

const { govern, profiler, snapshot } = require('../..');

const MIB = 2 ** 20;
const held = [];
const hold = () => held.push(Buffer.alloc(4 * MIB, 1));

const [directory, group] = process.argv.slice(2);
const governor = govern({
  ...(!group && { limit: snapshot().process.rss + 200 * MIB }),
  profileOnPressure: { directory, sampleBytes: 2 ** 16, minIntervalMs: 0 },
});

const why = () => governor.state().notes.find(({ field }) => field === 'profileOnPressure');

async function end(heard) {
  clearInterval(filling);
  const { active } = profiler;
  await governor.stop();
  process.stdout.write(
    JSON.stringify({ heard, active, after: profiler.active, why: why() ?? null }),
  );
  process.exit();
}

const filling = setInterval(() => {
  if (why()) end(null);
  // Not before there are samples to take.
  else if (profiler.active && held.length < 60) hold();
}, 5);
governor.once('profile', end);
