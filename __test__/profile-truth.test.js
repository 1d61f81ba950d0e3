'use strict';
// Heap profiles against what is known from elsewhere: leaks whose function and bytes the test knows, jemalloc's counters,
// the kernel's mappings, and other programs that read the same files.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { before, describe, it } = require('node:test');
const { JEMALLOCS, preload } = require('./support/allocators.js');
const { runChild } = require('./support/child.js');
const { MAJORS, binary, installNodes } = require('./support/nodes.js');
const { bytesOf, bytesWith, decode, goPprof, jeheapBytes } = require('./support/pprof.js');
const { NAMED } = require('./support/profiled.js');

const CHILD = 'profile-leak.js';
const SOURCE = path.join(__dirname, 'children', CHILD);

/** By default 5.3.1 takes large blocks for up to a quarter more than they are (docs/profiling.md). */
const MALLOC_CONF = {
  'jemalloc 5.3.0': 'prof:true,prof_active:false',
  'jemalloc 5.3.1': 'prof:true,prof_active:false,prof_unbias:false',
};

/** A folder that is gone after the test `t`. */
function folder(t) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-truth-'));
  t.after(() => fs.rmSync(made, { recursive: true }));
  return made;
}

/** What a child says that leaks by `leak`; `null` where its allocator is missing. */
async function leaked(t, name, leak, { node, sampleBytes = 65_536 } = {}) {
  const library = preload(t, name);
  if (library === null) return null;
  const child = await runChild(CHILD, {
    preload: library,
    node,
    env: { MALLOC_CONF: MALLOC_CONF[name], ...NAMED.env },
    nodeArgs: [...NAMED.nodeArgs, '--expose-gc'],
    args: [leak, sampleBytes],
  });
  assert.deepEqual(child.notes, []);
  const file = Buffer.from(child.pprof, 'base64');
  return { ...child, file, profile: decode(file) };
}

/**
 * By how much an estimate may differ from `bytes`: four standard deviations, or 5 % for what is allocated beside.
 *
 * An object of s bytes is sampled with the probability p = 1 − exp(−s ÷ rate) and then stands for s ÷ p. That has the variance
 * s² × (1 − p) ÷ p = s² ÷ (exp(s ÷ rate) − 1), at most s × rate. So the sum has at most bytes × rate, and its standard deviation
 * is at most bytes ÷ √(bytes ÷ rate).
 */
const toleranceOf = (bytes, rate) => Math.max(0.05, 4 / Math.sqrt(bytes / rate)) * bytes;

function assertNear(actual, expected, rate, what) {
  const tolerance = toleranceOf(expected, rate);
  const message = `${what}: ${actual} instead of ${expected} ± ${tolerance}`;
  assert.ok(Math.abs(actual - expected) <= tolerance, message);
}

/**
 * That `bytes` are at least 80 % of what there is, by the profile and by who knows. Each leak is 60 MB or more, from 900 samples or
 * more: 20 % are six standard deviations (see toleranceOf).
 */
function assertFound(bytes, { profile, asked, grown }) {
  const whole = bytesOf(profile);
  assert.ok(bytes >= 0.8 * whole, `${bytes} of ${whole} in the profile`);
  const known = asked ?? grown;
  assert.ok(bytes >= 0.8 * known, `${bytes} of ${known} that were allocated`);
}

/** Where the child defines `name`. */
function lineOf(name) {
  const lines = fs.readFileSync(SOURCE, 'utf8').split('\n');
  return lines.findIndex((line) => line.includes(`${name}() {`)) + 1;
}

const LEAKS = [
  { leak: 'keepDeflates', what: 'zlib contexts' },
  { leak: 'keepBuffers', what: 'Buffers' },
  // Of small objects, of which 5.3.0 gives every sampled one a page-aligned block of its own, 16 KiB at least, and counts that
  // as allocated (src/jemalloc.c, imalloc_sample): fewer samples, of more.
  { leak: 'keepStatements', what: 'SQLite statements (libsql)', sampleBytes: 131_072 },
  {
    leak: 'keepNodeStatements',
    what: 'SQLite statements (node:sqlite)',
    sampleBytes: 131_072,
    since: 22,
  },
];

const known = (major) => LEAKS.filter(({ since = 0 }) => major >= since);

before(installNodes, { timeout: 600_000 });

for (const name of JEMALLOCS) {
  for (const major of MAJORS) {
    describe(`on ${name} and Node.js ${major}`, () => {
      for (const { leak, what, sampleBytes } of known(major)) {
        it(`finds who keeps ${what}`, async (t) => {
          const found = await leaked(t, name, leak, { node: binary(major), sampleBytes });
          if (found === null) return;
          assertFound(bytesWith(found.profile, leak), found);
        });
      }

      it('finds zlib contexts that a thread of libuv has allocated under what zlib calls it', async (t) => {
        const found = await leaked(t, name, 'keepGzips', { node: binary(major) });
        if (found === null) return;
        assertFound(bytesWith(found.profile, 'deflateInit2_'), found);
      });

      it('estimates what jemalloc counts and what was asked for, whatever the format', async (t) => {
        // Blocks that one sample in two, or one in eight, misses.
        const sampleBytes = 16_384;
        const options = { node: binary(major), sampleBytes };
        const found = await leaked(t, name, 'keepChunks', options);
        if (found === null) return;
        const { profile, jeheap, flamegraph, grown, asked } = found;
        const bytes = bytesOf(profile);
        assertNear(bytesWith(profile, 'keepChunks'), asked, sampleBytes, 'asked for');
        assertNear(bytes, grown, sampleBytes, 'counted by jemalloc');
        const text = jeheapBytes(jeheap);
        // Rounded stack by stack.
        assert.ok(Math.abs(bytes - text.bytes) <= text.stacks, `${bytes}, ${text.bytes}`);
        const [, total] = /<title>all \(([\d,]+) bytes/.exec(flamegraph);
        assert.equal(Number(total.replaceAll(',', '')), bytes);
      });

      // 5.3.0 gives such blocks the next size class, and counts them so.
      if (name === 'jemalloc 5.3.1') {
        it('estimates large blocks between two size classes', async (t) => {
          const options = { node: binary(major), sampleBytes: 16_384 };
          const found = await leaked(t, name, 'keepBetween', options);
          if (found === null) return;
          assertNear(bytesWith(found.profile, 'keepBetween'), found.asked, 16_384, 'asked for');
        });
      }

      it('writes a profile that pprof-format reads, of the files that are mapped', async (t) => {
        const began = Date.now();
        const found = await leaked(t, name, 'keepBuffers', { node: binary(major) });
        if (found === null) return;
        const { profile, maps } = found;
        assert.deepEqual(profile.sampleTypes, [
          ['inuse_objects', 'count'],
          ['inuse_space', 'bytes'],
        ]);
        assert.equal(profile.defaultSampleType, 'inuse_space');
        assert.deepEqual(profile.periodType, ['space', 'bytes']);
        assert.equal(profile.period, 65_536);
        assert.ok(profile.timeMs >= began && profile.timeMs <= Date.now(), `${profile.timeMs}`);
        assert.ok(profile.samples.every(({ values }) => values.length === 2));
        checkMappings(mappingsOf(profile.locations), maps);
        assert.equal(profile.mappings[0].file, fs.realpathSync(binary(major)));
        checkLocations(profile.locations);
        const functions = profile.locations.flatMap((location) => location.functions);
        const { file, line } = functions.find((known) => known.name === 'keepBuffers');
        assert.deepEqual({ file, line }, { file: SOURCE, line: lineOf('keepBuffers') });
      });

      it('writes a profile that go tool pprof reads', async (t) => {
        const found = await leaked(t, name, 'keepBuffers', { node: binary(major) });
        if (found === null) return;
        const file = path.join(folder(t), 'heap.pb.gz');
        fs.writeFileSync(file, found.file);
        const top = goPprof(t, '-symbolize=none', '-top', '-cum', '-unit=B', file);
        if (top === null) return;
        assert.match(top, /^File: node$/m);
        assert.match(top, /^Type: inuse_space$/m);
        const [, whole] = / of (\d+)B total$/m.exec(top);
        assert.equal(Number(whole), bytesOf(found.profile));
        const row = /(\d+)B +[\d.]+% +keepBuffers$/m.exec(top);
        assert.ok(row, top);
        assertFound(Number(row[1]), found);
      });
    });
  }
}

const hex = (address) => address.toString(16).padStart(8, '0');

/** Those with code that was called: of other files nothing was read, not even the build ID. */
const mappingsOf = (locations) => [...new Set(locations.map(({ mapping }) => mapping))];

/** Against /proc/pid/maps (proc(5)), and readelf. */
function checkMappings(mappings, maps) {
  const files = mappings.filter((mapping) => mapping !== null && mapping.file !== '');
  assert.ok(files.length >= 2, 'node and the C library at least');
  const mapped = maps.split('\n').map((line) => line.split(/\s+/));
  for (const { start, limit, offset, file, buildId } of files) {
    const range = `${hex(start)}-${hex(limit)}`;
    const line = mapped.find(([found]) => found === range);
    assert.ok(line, `${range} of ${file} is not mapped`);
    assert.deepEqual([line[1], line[2], line[5]], ['r-xp', hex(offset), file]);
    assert.equal(buildId, buildIdOf(file), file);
  }
}

function buildIdOf(file) {
  const notes = execFileSync('readelf', ['--notes', file], { encoding: 'utf8', stdio: 'pipe' });
  return /Build ID: ([0-9a-f]+)/.exec(notes)?.[1] ?? '';
}

function checkLocations(locations) {
  for (const { address, mapping } of locations) {
    if (mapping === null) continue;
    const { start, limit, file } = mapping;
    assert.ok(address >= start && address < limit, `${hex(address)} is not within ${file}`);
  }
}
