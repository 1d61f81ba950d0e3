'use strict';
// govern({ profileOnPressure }).

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const zlib = require('node:zlib');
const { JEMALLOCS, preload } = require('./support/allocators.js');
const { runChild } = require('./support/child.js');

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
