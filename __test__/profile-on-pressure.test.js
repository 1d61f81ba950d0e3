'use strict';
// govern({ profileOnPressure }).

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const zlib = require('node:zlib');
const { JEMALLOCS, preload } = require('./support/allocators.js');
const { inCgroup, makeCgroup } = require('./support/cgroup.js');
const { finished, runChild } = require('./support/child.js');

const CHILD = path.join(__dirname, 'children', 'profile-on-pressure.js');

function folder(t) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-pressure-'));
  t.after(() => fs.rmSync(made, { recursive: true }));
  return made;
}

const run = (directory, options) =>
  runChild('profile-on-pressure.js', { args: [directory], ...options });

for (const name of JEMALLOCS) {
  test(`${name}: what held the memory is kept when pressure begins`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const directory = folder(t);
    const env = { MALLOC_CONF: 'prof:true,prof_active:false' };
    const { heard, active, after, why } = await run(directory, { preload: libraries, env });
    assert.equal(why, null);
    assert.equal(heard.reason, null);
    assert.deepEqual([active, after], [true, false], 'the profiler runs as long as the governor');
    assert.deepEqual(fs.readdirSync(directory), [path.basename(heard.file)]);
    const file = fs.readFileSync(heard.file);
    assert.equal(file.length, heard.bytes);
    assert.match(
      zlib.gunzipSync(file).toString('latin1'),
      /NewBackingStore|BackingStore::Allocate/,
    );
  });
}

test('in a memory cgroup of its own, too', async (t) => {
  const libraries = preload(t, 'jemalloc 5.3.1');
  const group = libraries && makeCgroup(t, 280 * 2 ** 20);
  if (!group) return;
  const variables = [`LD_PRELOAD=${libraries}`, 'MALLOC_CONF=prof:true,prof_active:false'];
  const command = ['env', ...variables, process.execPath, CHILD, folder(t), 'group'];
  const { code, stdout, stderr } = await finished('/bin/sh', inCgroup(group, command));
  assert.equal(code, 0, stderr);
  const { heard } = JSON.parse(stdout);
  assert.equal(heard.reason, null);
  assert.equal(fs.statSync(heard.file).size, heard.bytes);
});

test('a folder that cannot be had is told, and the governor goes on', async (t) => {
  const libraries = preload(t, 'jemalloc 5.3.1');
  if (libraries === null) return;
  const env = { MALLOC_CONF: 'prof:true,prof_active:false' };
  const { heard } = await run('/proc/heapgap', { preload: libraries, env });
  assert.equal(heard.file, null);
  assert.equal(heard.bytes, null);
  assert.match(heard.reason, /ENOENT/);
});

test('where there can be no profile, the governor says why and governs', async (t) => {
  const { heard, why } = await run(folder(t), {});
  assert.equal(heard, null);
  assert.match(why.reason, /only jemalloc takes heap profiles/);
});
