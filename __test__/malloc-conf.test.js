'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { describe, test } = require('node:test');
const fc = require('fast-check');
const { container } = require('../lib/container.js');
const { fittedMallocConf, mergeMallocConf } = require('../lib/malloc-conf.js');
const { LIBRARIES } = require('./support/allocators.js');
const { inCgroup, makeCgroup } = require('./support/cgroup.js');
const { finished } = require('./support/child.js');

const BIN = path.join(__dirname, '..', 'bin', 'heapgap.js');
const OPTIONS = path.join(__dirname, 'children', 'jemalloc-options.js');
const OURS = 'background_thread:true,narenas:4,dirty_decay_ms:1000';

const keyOf = (pair) => pair.split(':')[0];

/** What jemalloc makes of a text, character by character as its conf_next does. */
function readAsJemalloc(text) {
  const pairs = [];
  let at = 0;
  while (at < text.length) {
    const start = at;
    while (/[A-Za-z0-9_]/.test(text.charAt(at))) at++;
    if (text.charAt(at) !== ':') return pairs;
    const key = text.slice(start, at);
    const comma = text.indexOf(',', at);
    const end = comma < 0 ? text.length : comma;
    pairs.push([key, text.slice(at + 1, end)]);
    at = end + 1;
  }
  return pairs;
}

describe('fitting', () => {
  const pairsFor = (found) => fittedMallocConf(found).split(',');

  test('an arena for each CPU of the container, two at least, and jemalloc’s own number where that is not known', () => {
    for (const cpus of [1, 2, 3, 96]) {
      assert.ok(
        pairsFor({ cpus, thp: 'madvise' }).includes(`narenas:${Math.max(2, cpus)}`),
        `${cpus}`,
      );
    }
    assert.doesNotMatch(fittedMallocConf({ cpus: null, thp: 'madvise' }), /narenas/);
  });

  test('huge pages are refused only where the kernel gives them unasked', () => {
    assert.ok(pairsFor({ cpus: 1, thp: 'always' }).includes('thp:never'));
    for (const thp of ['madvise', 'never', null]) {
      assert.doesNotMatch(fittedMallocConf({ cpus: 1, thp }), /thp/);
    }
  });

  test('docs/malloc-conf.md names each pair', () => {
    const page = fs.readFileSync(path.join(__dirname, '..', 'docs', 'malloc-conf.md'), 'utf8');
    const conf = fittedMallocConf({ cpus: null, thp: 'always' });
    for (const pair of conf.split(',')) {
      assert.match(page, new RegExp(`^\\|[^|]*\`${pair}\``, 'm'));
    }
  });
});

describe('merging', () => {
  const value = fc.stringMatching(/^[a-z0-9.:| -]{0,8}$/);
  const key = fc.oneof(
    fc.constantFrom(...OURS.split(',').map(keyOf)),
    fc.stringMatching(/^[A-Za-z_0-9]{0,12}$/),
  );
  const pair = fc.tuple(key, value).map((parts) => parts.join(':'));
  const odd = fc.constantFrom('', ' ', 'narenas', ' narenas:1', 'narenas :1', '|', 'a:b:c');
  const pairs = fc.array(fc.oneof({ weight: 4, arbitrary: pair }, odd));
  const conf = fc.oneof(
    pairs.map((list) => list.join(',')),
    fc.string(),
  );

  test('the user’s text stands last and unchanged, and all of ours that it does not set before it', () => {
    fc.assert(
      fc.property(conf, (theirs) => {
        const merged = mergeMallocConf(theirs, OURS);
        assert.ok(merged.endsWith(theirs));
        const set = new Set(readAsJemalloc(theirs).map(([name]) => name));
        const kept = OURS.split(',').filter((each) => !set.has(keyOf(each)));
        assert.equal(merged, [...kept, ...(theirs === '' ? [] : [theirs])].join(','));
      }),
    );
  });

  test('jemalloc reads all of the user’s pairs, in their order, after ours', () => {
    fc.assert(
      fc.property(conf, (theirs) => {
        const read = readAsJemalloc(theirs);
        const merged = readAsJemalloc(mergeMallocConf(theirs, OURS));
        assert.deepEqual(read, read.length > 0 ? merged.slice(-read.length) : []);
        const names = merged.slice(0, merged.length - read.length).map(([name]) => name);
        assert.equal(new Set(names).size, names.length);
        for (const [name] of read) assert.ok(!names.includes(name), `${name} is theirs to set`);
      }),
    );
  });

  const examples = [
    [undefined, OURS],
    ['', OURS],
    ['narenas:3', 'background_thread:true,dirty_decay_ms:1000,narenas:3'],
    ['narenas:3,narenas:5', 'background_thread:true,dirty_decay_ms:1000,narenas:3,narenas:5'],
    ['stats_print:true', `${OURS},stats_print:true`],
    ['prof_prefix:a b|c:d', `${OURS},prof_prefix:a b|c:d`],
    // jemalloc gives up at the space and at the empty pair, so that nothing behind them is set.
    [' narenas:3', `${OURS}, narenas:3`],
    ['thp:never,,narenas:3', `${OURS},thp:never,,narenas:3`],
    ['thp:never,', `${OURS},thp:never,`],
  ];
  for (const [theirs, merged] of examples) {
    test(`${JSON.stringify(theirs)}`, () => assert.equal(mergeMallocConf(theirs, OURS), merged));
  }
});

describe('on the shipped jemalloc', () => {
  const shipped = LIBRARIES['jemalloc 5.3.1'];

  /** What jemalloc took of a MALLOC_CONF, and what it complained of. */
  async function optionsUnder(MALLOC_CONF) {
    const env = { LD_PRELOAD: shipped, MALLOC_CONF };
    const { stdout, stderr } = await finished(process.execPath, [OPTIONS], { env });
    return { opt: JSON.parse(stdout).opt, stderr };
  }

  for (const thp of ['always', 'madvise', 'never', null]) {
    for (const cpus of [1, 3, 96, null]) {
      test(`every pair for ${cpus} CPUs and THP ${thp} is taken, without a complaint`, async () => {
        const conf = fittedMallocConf({ cpus, thp });
        const { opt, stderr } = await optionsUnder(conf);
        assert.equal(stderr, '');
        for (const each of conf.split(',')) {
          const [key, value] = each.split(':');
          // jemalloc tells of all options but this one.
          if (key === 'prof_unbias') continue;
          assert.equal(String(opt[key]), value, key);
        }
      });
    }
  }

  test('a malformed text is complained of as ever, and ours holds', async () => {
    const theirs = 'thp:never,,narenas:3';
    const complaint = (await optionsUnder(theirs)).stderr;
    assert.match(complaint, /Malformed conf string/);
    const { opt, stderr } = await optionsUnder(mergeMallocConf(theirs, OURS));
    assert.equal(stderr, complaint);
    assert.deepEqual([opt.narenas, opt.dirty_decay_ms, opt.thp], [4, 1000, 'never']);
  });

  const run = (options) =>
    finished(process.execPath, [BIN, 'run', process.execPath, OPTIONS], options);

  test("what the user says in another key's words wins too", async () => {
    const code = `const { addon } = require(${JSON.stringify(path.join(__dirname, '..', 'lib', 'native.js'))});
      JSON.stringify(addon.options(['narenas', 'tcache_max']))`;
    const env = { MALLOC_CONF: 'narenas_ratio:1,lg_tcache_max:12' };
    const words = [BIN, 'run', '--', process.execPath, '-p', code];
    const own = JSON.parse((await finished(process.execPath, words, { env })).stdout);
    const LD_PRELOAD = LIBRARIES['jemalloc 5.3.1'];
    const alone = await finished(process.execPath, ['-p', code], { env: { ...env, LD_PRELOAD } });
    assert.deepEqual(own, JSON.parse(alone.stdout));
    assert.doesNotMatch(mergeMallocConf(env.MALLOC_CONF, 'narenas:4,tcache_max:4096'), /4096|s:4/);
  });

  test("heapgap run: pairs of the user's MALLOC_CONF win", async () => {
    const theirs = 'background_thread:false,narenas:3';
    const { stdout, stderr } = await run({ env: { MALLOC_CONF: theirs } });
    assert.equal(stderr, '');
    const { MALLOC_CONF, opt } = JSON.parse(stdout);
    assert.ok(MALLOC_CONF.endsWith(`,${theirs}`), MALLOC_CONF);
    assert.doesNotMatch(MALLOC_CONF, /background_thread:true/);
    assert.deepEqual([opt.background_thread, opt.narenas], [false, 3]);
    const { opt: ours } = JSON.parse((await run()).stdout);
    assert.equal(ours.background_thread, true);
  });

  test('heapgap run in a container: narenas fit the quota, where jemalloc would take four for each of the machine’s CPUs', async (t) => {
    const group = makeCgroup(t, { cpu: 0.5 });
    if (group === null) return;
    const command = [process.execPath, BIN, 'run', process.execPath, OPTIONS];
    const ended = await finished('/bin/sh', inCgroup(group, command));
    assert.equal(ended.code, 0, ended.stderr);
    assert.equal(JSON.parse(ended.stdout).opt.narenas, 2);
    const outside = JSON.parse((await run()).stdout).opt.narenas;
    assert.equal(outside, Math.max(2, container().cpus));
  });
});
