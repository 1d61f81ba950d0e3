'use strict';
// Where heapgap loads, and what it says where it cannot read.

const assert = require('node:assert/strict');
const path = require('node:path');
const { before, describe, test } = require('node:test');
const { preload } = require('./support/allocators.js');
const { finished, runChild } = require('./support/child.js');
const { MAJORS, binary, installNodes } = require('./support/nodes.js');

const NAMES = [
  'allocator',
  'diagnose',
  'doctor',
  'govern',
  'inspect',
  'profiler',
  'purge',
  'route',
  'shed',
  'snapshot',
  'stats',
  'watch',
];

before(installNodes, { timeout: 600_000 });

for (const major of MAJORS) {
  describe(`Node.js ${major}`, () => {
    for (const script of ['exercise.js', 'exercise.mjs']) {
      for (const name of ['glibc', 'jemalloc 5.3.1']) {
        test(`${script} on ${name}`, async (t) => {
          const libraries = preload(t, name);
          if (libraries === null) return;
          const used = await runChild(script, { node: binary(major), preload: libraries });
          assert.equal(Number(used.node.split('.')[0]), major);
          assert.deepEqual(used.names, NAMES);
          assert.equal(used.allocator.name, name.split(' ')[0]);
          assert.ok(used.stats.allocated > 0);
          assert.ok(used.snapshot.process.rss > used.snapshot.v8.heapUsed);
          assert.ok(used.snapshot.v8.heapPhysical > 0);
          assert.ok(used.report.method !== null);
          assert.equal(used.route, 'function');
        });
      }
    }

    test('fifty workers started and ended, some in the middle of a purge', async () => {
      const { results, files, threads } = await runChild('workers.js', { node: binary(major) });
      assert.equal(results.length, 50);
      const whole = results.filter((result) => result !== 'purging');
      assert.equal(whole.length, 30);
      for (const { allocated, rss, rssAfter } of whole) {
        assert.ok(allocated > 0 && rss > 0 && rssAfter > 0);
      }
      assert.equal(files.at(-1), files[0], `descriptors after each round: ${files}`);
      // libuv's pool starts its four threads when it is first needed.
      assert.ok(threads[1] <= threads[0] + 4, `threads before and after: ${threads}`);
    });
  });
}

test('cluster workers', async (t) => {
  const libraries = preload(t, 'jemalloc 5.3.1');
  if (libraries === null) return;
  const { seen, lead } = await runChild('cluster.js', { preload: libraries });
  assert.equal(new Set([lead, ...seen.map(({ pid }) => pid)]).size, 3);
  for (const { rss, method, name } of seen) {
    assert.ok(rss > 0);
    assert.equal(method, 'arena.4096.purge');
    assert.equal(name, 'jemalloc');
  }
});

for (const platform of ['darwin', 'win32']) {
  test(`${platform}, faked: it loads, says so, and answers with what Node.js knows`, async () => {
    const script = path.join(__dirname, 'children', 'exercise.js');
    const used = await runChild('elsewhere.js', { args: [platform, script] });
    assert.deepEqual(used.names, NAMES);
    assert.equal(used.allocator.name, 'unknown');
    assert.deepEqual(used.allocator.capabilities, { stats: false, purge: false });
    assert.match(used.allocator.evidence[0], new RegExp(`no native addon for ${platform}-`));
    assert.equal(used.stats.allocated, null);
    assert.ok(used.stats.notes.some(({ field }) => field === 'allocated'));
    const { process: memory, v8, gap, cgroup, notes } = used.snapshot;
    assert.ok(memory.rss > 0 && v8.heapUsed > 0 && v8.spaces.length > 0);
    assert.equal(gap, memory.rss - v8.heapPhysical);
    assert.equal(memory.anon, null);
    assert.equal(cgroup.limit, null);
    for (const field of ['process.anon', 'allocator.allocated', 'cgroup.limit']) {
      assert.ok(
        notes.some((note) => note.field === field && note.reason.length > 10),
        field,
      );
    }
    assert.equal(used.report.method, null);
    assert.equal(used.report.released, null);
  });
}

test('Linux without an installed addon: it loads and says what to install', async () => {
  const code = `
    const Module = require('node:module');
    const resolve = Module._resolveFilename;
    Module._resolveFilename = (request, ...rest) => {
      if (/\\.node$|^@heapgap/.test(request)) {
        throw Object.assign(new Error('not found'), { code: 'MODULE_NOT_FOUND' });
      }
      return resolve(request, ...rest);
    };
    process.stdout.write(JSON.stringify(require('..').allocator()));`;
  const { stdout, stderr } = await finished(process.execPath, ['-e', code], { cwd: __dirname });
  const { name, evidence } = JSON.parse(stdout || `{"evidence":[${JSON.stringify(stderr)}]}`);
  assert.equal(name, 'unknown');
  assert.match(evidence[0], /add the package @heapgap\/linux-/);
});

test('a purge under way does not keep a process alive that exits', async () => {
  const code = "require('..').purge(); process.exit(3)";
  const { code: status, signal } = await finished(process.execPath, ['-e', code], {
    cwd: __dirname,
  });
  assert.deepEqual([status, signal], [3, null]);
});

test('nothing keeps an idle process alive', async () => {
  const code = `
    const heapgap = require('..');
    heapgap.stats(); heapgap.snapshot(); heapgap.route(); heapgap.purge(); heapgap.watch();
    heapgap.govern(); heapgap.shed({ maxEventLoopDelay: 1 });
    heapgap.inspect(); heapgap.diagnose(); heapgap.diagnose({ experiment: true });`;
  const { code: status, signal } = await finished(process.execPath, ['-e', code], {
    cwd: __dirname,
    timeout: 30_000,
  });
  assert.deepEqual([status, signal], [0, null]);
});

for (const state of ['used before', 'new']) {
  test(`without a free file descriptor it works, and recovers: ${state}`, async () => {
    const script = path.join(__dirname, 'children', 'descriptors.js');
    const command = ['ulimit -n 64; exec "$0" "$@"', process.execPath, script, state];
    const ended = await finished('/bin/sh', ['-c', ...command]);
    assert.equal(ended.code, 0, ended.stderr);
    const { taken, without, after } = JSON.parse(ended.stdout);
    assert.ok(taken > 10, 'the limit is in force');
    for (const { stats, snapshot, report } of [without, after]) {
      assert.ok(stats.allocated > 0 && snapshot.allocator.allocated > 0);
      const { heapTotal, heapUsed, heapPhysical, external } = snapshot.v8;
      assert.ok(heapTotal > 0 && heapUsed > 0 && heapPhysical > 0 && external > 0);
      assert.equal(report.method, 'malloc_trim');
      assert.ok(report.stats.after.allocated > 0);
      const noted = snapshot.notes.filter(({ field }) => field === 'v8.arrayBuffers');
      assert.equal(noted.length, snapshot.v8.arrayBuffers === null ? 1 : 0);
    }
    const done = Object.values(after.outcomes).every((outcome) => outcome === 'done');
    assert.ok(done, JSON.stringify(after.outcomes));
    const unread = state === 'new' ? 'ERR_HEAPGAP_COULD_NOT_LOOK' : 'done';
    assert.deepEqual(without.outcomes, {
      allocator: 'done',
      snapshot: unread,
      inspect: unread,
      diagnose: unread,
      experiment: unread,
      watch: unread,
    });
    // Node.js reads them together with RSS, from a file.
    assert.equal(without.snapshot.v8.arrayBuffers, null);
    assert.ok(after.snapshot.v8.arrayBuffers > 0);
    assert.ok(after.snapshot.process.rss > 0 && after.report.rssAfter > 0);
  });
}
