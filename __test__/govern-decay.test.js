'use strict';
// jemalloc's decay settings while the governor has them and after it, next to those of the same program
// without a governor.

const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');
const { JEMALLOCS, preload } = require('./support/allocators.js');
const { finished } = require('./support/child.js');

const CHILD = path.join(__dirname, 'children', 'govern-decay.js');
/** At its end jemalloc itself says what the defaults are; all else of its report is left out. */
const PRINT = 'stats_print:true,stats_print_opts:mdablxeh';
/** By name, what `MALLOC_CONF` says, and how pressure ends. */
const CASES = {
  'as it comes': ['', ['stop', 'calm']],
  'its own times': ['dirty_decay_ms:1234,muzzy_decay_ms:77', ['stop', 'calm']],
  'never to give back': ['dirty_decay_ms:-1,muzzy_decay_ms:-1', ['stop']],
  'never, and muzzy pages': ['dirty_decay_ms:-1,muzzy_decay_ms:500', ['stop']],
  'at once': ['dirty_decay_ms:0,muzzy_decay_ms:0', ['stop']],
  'few arenas': ['narenas:3', ['stop']],
  'many arenas': ['narenas:32,dirty_decay_ms:4321', ['stop', 'calm']],
  "the article's": ['background_thread:true,metadata_thp:auto', ['stop', 'calm']],
};

async function run(libraries, settings, end) {
  const env = { LD_PRELOAD: libraries, MALLOC_CONF: [settings, PRINT].filter(Boolean).join() };
  const { code, signal, stdout, stderr } = await finished(
    process.execPath,
    ['--expose-gc', CHILD, end, '3'],
    { env },
  );
  assert.equal(code, 0, `${signal} ${stderr}`);
  const printed = (name) => {
    const line = new RegExp(`opt\\.${name}: (-?\\d+) \\(arenas\\.${name}: (-?\\d+)\\)`);
    const [, option, now] = line.exec(stderr) ?? [];
    return { option: Number(option), now: Number(now) };
  };
  const defaults = { dirty: printed('dirty_decay_ms'), muzzy: printed('muzzy_decay_ms') };
  return { ...JSON.parse(stdout), defaults };
}

const byIndex = (settings) => new Map(settings.map(([index, ...decay]) => [index, decay]));
const indices = (settings) => settings.map(([index]) => index);

/** Every arena is as in a process that was never governed; those that it lacks have the defaults. */
function assertUntouched(seen, plain, defaults, when) {
  const known = byIndex(plain);
  for (const [index, ...decay] of seen) {
    assert.deepEqual(decay, known.get(index) ?? defaults, `arena ${index} ${when}`);
  }
}

/** What is tighter already stays; −1 is for ever. */
const tightened = ([dirty]) => [dirty >= 0 && dirty < 100 ? dirty : 100, 0];

for (const name of JEMALLOCS) {
  for (const [what, [settings, ends]] of Object.entries(CASES)) {
    test(`${name}, ${what}: decay is tight under pressure, and as it was afterwards`, async (t) => {
      const libraries = preload(t, name);
      if (libraries === null) return;
      const plain = await run(libraries, settings, 'none');
      const { dirty, muzzy } = plain.defaults;
      const defaults = [dirty.now, muzzy.now];
      assert.deepEqual(defaults, [dirty.option, muzzy.option]);
      for (const end of ends) {
        const seen = await run(libraries, settings, end);
        assert.equal(seen.tightened, true);
        // Which of V8's own threads has allocated by now, and has an arena, is not told by the program.
        assertUntouched(seen.before, plain.afterwards, defaults, 'before');
        assert.ok(seen.during.length > seen.before.length, 'arenas were made under pressure');
        const oversize = indices(plain.during).at(-1);
        assert.ok(indices(seen.during).includes(oversize), 'and the one for large blocks');
        const ungoverned = byIndex(plain.during);
        for (const [index, ...decay] of seen.during) {
          const tight = tightened(ungoverned.get(index) ?? defaults);
          assert.deepEqual(decay, tight, `arena ${index} under pressure`);
        }
        assert.equal(seen.state.tightened, false);
        assert.equal(seen.state.level, 'calm');
        assert.equal(seen.state.running, end === 'calm');
        assertUntouched(seen.after, plain.afterwards, defaults, `after ${end}`);
        assertUntouched(seen.afterwards, plain.afterwards, defaults, `later, after ${end}`);
        if (what === 'many arenas') assert.ok(seen.afterwards.length > seen.after.length);
        assert.deepEqual(seen.defaults, plain.defaults);
      }
    });
  }
}

for (const name of JEMALLOCS) {
  test(`${name}: large blocks that no memory is enough for end no process`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    // As some write so as to have no arena for large blocks.
    const { tightened: tight } = await run(libraries, 'oversize_threshold:140737488355328', 'stop');
    assert.equal(tight, true);
  });
}
