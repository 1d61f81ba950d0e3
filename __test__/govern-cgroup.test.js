'use strict';
// The governor in real memory cgroups, next to the same programs without it.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');
const { JEMALLOCS, LIBRARIES, preload } = require('./support/allocators.js');
const { inCgroup, makeCgroup } = require('./support/cgroup.js');
const { finished } = require('./support/child.js');
const { lacks } = require('./support/faulty.js');
const { MIB, assertCounted } = require('./support/govern.js');

const CHILD = path.join(__dirname, 'children', 'govern-cgroup.js');

/** Runs the child in a group of its own; `null` where that cannot be. */
async function inGroup(t, name, memory, args, { settings = '', before = [] } = {}) {
  const libraries = preload(t, name);
  if (libraries === null) return null;
  const group = makeCgroup(t, memory);
  if (group === null) return null;
  const words = [`GROUP=${group.folder}`, `LD_PRELOAD=${libraries}`, `MALLOC_CONF=${settings}`];
  const command = [...before, 'env', ...words, process.execPath, '--expose-gc', CHILD, ...args];
  const ended = await finished('/bin/sh', inCgroup(group, command), { timeout: 60_000 });
  return { ...ended, told: ended.code === 0 ? JSON.parse(ended.stdout) : null };
}

async function toldInGroup(...args) {
  const ended = await inGroup(...args);
  if (ended === null) return null;
  assert.equal(ended.code, 0, `${ended.signal} ${ended.stderr}`);
  return ended.told;
}

const METHODS = {
  glibc: 'malloc_trim',
  'jemalloc 5.3.0': 'arena.4096.purge',
  'jemalloc 5.3.1': 'arena.4096.purge',
  mimalloc: 'mi_collect',
  tcmalloc: 'MallocExtension_ReleaseToSystem',
};
for (const name of Object.keys(LIBRARIES)) {
  test(`${name}: pressure, purge, calm, with the kernel's figures`, async (t) => {
    const seen = await toldInGroup(t, name, 384 * MIB, ['cycle']);
    if (seen === null) return;
    assertCounted(seen);
    const { heard, pressed, state, known } = seen;
    const order = heard.map(({ event }) => event);
    assert.ok(order.indexOf('pressure') < order.lastIndexOf('purge'), order.join());
    assert.equal(order.at(-1), 'calm');
    const [pressure] = heard.filter(({ event }) => event === 'pressure');
    assert.equal(pressure.reason, 'usage');
    for (const { limit } of heard) assert.equal(limit, 384 * MIB);
    assert.ok(pressure.usage >= 0.8 * pressure.limit, `${pressure.usage}`);
    assert.ok(heard.at(-1).usage < 0.7 * 384 * MIB, `${heard.at(-1).usage}`);
    const purges = heard.filter(({ event }) => event === 'purge');
    for (const purge of purges) {
      assert.equal(purge.method, METHODS[name]);
      assert.equal(purge.released, purge.rssBefore - purge.rssAfter);
      assert.ok(purge.durationMs > 0);
    }
    // What another thread had freed was there to be purged, whatever decay is.
    assert.ok(state.released > 24 * MIB, `${state.released} were released`);
    assert.notEqual(pressed.level, 'calm');
    assert.equal(pressed.limitSource, 'cgroup');
    assert.equal(pressed.tightened, name.startsWith('jemalloc'));
    assert.ok(Math.abs(state.usage - known) < 2 * MIB, `${state.usage} and ${known}`);
    assert.deepEqual([state.level, state.tightened, state.oomKills], ['calm', false, 0]);
    const notes = state.notes.map(({ field, reason }) => `${field}: ${reason}`);
    if (/glibc|mimalloc/.test(name)) {
      assert.equal(state.dirty, null);
      assert.deepEqual(notes, [`dirty: ${name} does not count this`]);
    } else {
      assert.ok(state.dirty >= 0 && state.dirty < 0.2 * 384 * MIB, `${state.dirty}`);
      assert.deepEqual(notes, []);
    }
  });
}

for (const name of JEMALLOCS) {
  for (const block of ['wait', 'spin']) {
    test(`${name}: it works while the event loop is blocked (${block})`, async (t) => {
      // An arena each, so that no thread uses again what another has freed.
      const settings = { settings: 'narenas:64,dirty_decay_ms:60000' };
      const run = (how) => inGroup(t, name, 320 * MIB, ['blocked', how, block], settings);
      const plain = await run('plain');
      if (plain === null) return;
      assert.equal(plain.signal, 'SIGKILL', `without a governor it ends by ${plain.code}`);
      const { code, signal, stderr, told } = await run('governed');
      assert.equal(code, 0, `${signal} ${stderr}`);
      const { before, after } = told;
      assert.ok(after.purges > before.purges, `${before.purges} → ${after.purges}`);
      assert.ok(after.released - before.released > 32 * MIB, `${after.released}`);
      assert.equal(after.oomKills, 0);
    });
  }
}

test('limits that change while it runs are noticed, and then it is the machine', async (t) => {
  const seen = await toldInGroup(t, 'glibc', 400 * MIB, ['limits']);
  if (seen === null) return;
  const machine = require('node:os').totalmem();
  const limits = [300 * MIB, 200 * MIB, 900 * MIB, machine, 400 * MIB];
  assert.deepEqual(
    seen.told.map(({ seen }) => seen),
    limits,
  );
  assert.deepEqual(
    seen.told.map(({ limitSource }) => limitSource),
    limits.map((limit) => (limit === machine ? 'machine' : 'cgroup')),
  );
  for (const { usage } of seen.told) assert.ok(usage > 0);
  const changes = seen.heard.filter(({ event }) => event === 'limitChange');
  assert.deepEqual(
    changes.map(({ limit }) => limit),
    limits,
  );
  assert.deepEqual(
    changes.map(({ previous }) => previous),
    [400 * MIB, ...limits.slice(0, -1)],
  );
});

test('a process that is moved is governed by its new group, also when the old one is gone', async (t) => {
  const seen = await toldInGroup(t, 'glibc', 400 * MIB, ['moved']);
  if (seen === null) return;
  assert.deepEqual([seen.first.limit, seen.first.limitSource], [400 * MIB, 'cgroup']);
  assert.deepEqual([seen.second.limit, seen.second.limitSource], [500 * MIB, 'cgroup']);
  assert.equal(seen.heard.at(-1).limit, 500 * MIB);
  assert.equal(seen.heard.find(({ event }) => event === 'limitChange').previous, 400 * MIB);
});

/** What a program runs in so that its mounts are its own; `null` where that cannot be. */
function ownMounts(t) {
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt'], {
      stdio: 'ignore',
    });
    return ['unshare', '--mount'];
  } catch {
    return lacks(t, 'the right to mount in a namespace of its own') ?? null;
  }
}

/** Every figure is there, or there is a reason. */
function assertExplained(state) {
  const noted = state.notes.map(({ field }) => field);
  for (const name of ['limit', 'usage', 'dirty', 'oomKills']) {
    assert.equal(state[name] === null, noted.includes(name), `${name} ${JSON.stringify(state)}`);
  }
  assert.equal(state.limitSource === null, state.limit === null);
}

test('it goes on when the files that it reads are hidden from it', async (t) => {
  const before = ownMounts(t);
  if (before === null) return;
  const seen = await toldInGroup(t, 'glibc', 400 * MIB, ['hidden'], { before });
  if (seen === null) return;
  assert.equal(seen.states.length, 5);
  for (const state of seen.states) {
    assert.equal(state.running, true);
    assertExplained(state);
  }
  assert.deepEqual([seen.running, seen.after], [true, false]);
});

for (const what of ['cgroup', 'proc']) {
  test(`it starts where they were hidden from the start: ${what}`, async (t) => {
    const before = ownMounts(t);
    if (before === null) return;
    const args = ['hiddenFirst', 'governed', what];
    const seen = await toldInGroup(t, 'glibc', 400 * MIB, args, { before });
    if (seen === null) return;
    assert.ok(seen.started > 0, 'before its first look it says that it has not looked');
    assertExplained(seen.state);
    assert.equal(seen.state.oomKills, null);
    assert.notEqual(seen.state.limitSource, 'cgroup');
    if (what === 'cgroup') assert.equal(seen.state.limit, require('node:os').totalmem());
  });
}

test('four cluster workers in one group survive, and do not purge for nothing', async (t) => {
  const settings = { settings: 'dirty_decay_ms:60000' };
  const run = (how) => toldInGroup(t, 'jemalloc 5.3.1', 320 * MIB, ['cluster', how, '6'], settings);
  const plain = await run('plain');
  if (plain === null) return;
  assert.ok(
    plain.endings.some(({ signal }) => signal === 'SIGKILL'),
    JSON.stringify(plain.endings),
  );
  const { endings, told, elapsedMs } = await run('governed');
  for (const ending of endings) assert.deepEqual(ending, { code: 0, signal: null });
  assert.equal(told.length, 4);
  const purges = told.flatMap(({ heard }) => heard.filter(({ event }) => event === 'purge'));
  assert.ok(purges.length > 0);
  // One that helped little is followed by a pause of 10 ms at least.
  const idle = purges.filter(({ released }) => released < MIB).length;
  assert.ok(idle <= 24 + elapsedMs / 10, `${idle} of ${purges.length} purges in ${elapsedMs} ms`);
  for (const { state, governing } of told) {
    assert.deepEqual([state.oomKills, governing], [0, 0]);
  }
});
