'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { JEMALLOCS, preload } = require('./support/allocators.js');
const { runChild } = require('./support/child.js');

const MIB = 1024 * 1024;
/** In jemalloc's size class of 1280 bytes, 16 of them in a slab of five pages. */
const [COUNT, SIZE, CLASS] = [100_000, 1200, 1280];

const runs = new Map();

/** Each jemalloc's child runs once for all tests. */
function classes(name, libraries) {
  if (!runs.has(name)) {
    const run = runChild('classes.js', {
      preload: libraries,
      env: { MALLOC_CONF: 'dirty_decay_ms:4321,muzzy_decay_ms:-1' },
      nodeArgs: ['--expose-gc'],
      args: [COUNT, SIZE],
    });
    runs.set(name, run);
  }
  return runs.get(name);
}

/** jemalloc's own rows of size classes, in our words. */
function classesOf({ jemalloc }) {
  const { arenas, opt } = jemalloc;
  const { bins, lextents } = jemalloc['stats.arenas'].merged;
  const small = bins.map(({ curregs, curslabs }, index) => {
    const { size, nregs } = arenas.bin[index];
    const waste = (nregs * curslabs - curregs) * size;
    return { size, kind: 'small', count: curregs, bytes: curregs * size, waste };
  });
  const large = lextents.map(({ curlextents }, index) => {
    const { size } = arenas.lextent[index];
    const waste = opt.cache_oblivious ? arenas.page * curlextents : 0;
    return { size, kind: 'large', count: curlextents, bytes: size * curlextents, waste };
  });
  return [...small, ...large].filter(({ count }) => count > 0);
}

/** jemalloc's own rows of arenas, in our words. */
function arenasOf({ jemalloc }) {
  const { page } = jemalloc.arenas;
  const rows = Object.entries(jemalloc['stats.arenas']).filter(([index]) => /^\d+$/.test(index));
  return rows.map(([index, arena]) => {
    const allocated = arena.small.allocated + arena.large.allocated;
    return {
      index: Number(index),
      threads: arena.nthreads,
      allocated,
      active: arena.pactive * page,
      dirty: arena.pdirty * page,
      muzzy: arena.pmuzzy * page,
      pinned: arena.pactive * page - allocated,
      metadata: arena.base + arena.internal,
      mapped: arena.mapped,
      retained: arena.retained,
      resident: null,
      free: null,
      dirtyDecayMs: arena.dirty_decay_ms,
      muzzyDecayMs: arena.muzzy_decay_ms,
    };
  });
}

const bySize = (a, b) => a.size - b.size;
const sum = (rows, figure) => rows.reduce((total, row) => total + row[figure], 0);

for (const name of JEMALLOCS) {
  test(`${name}: arenas and size classes equal malloc_stats_print's`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const { full, sparse } = await classes(name, libraries);
    for (const { printout, arenas, sizeClasses } of [full, sparse]) {
      assert.deepEqual(arenas, arenasOf(printout));
      assert.deepEqual(sizeClasses.toSorted(bySize), classesOf(printout).toSorted(bySize));
    }
  });

  test(`${name}: arenas and size classes sum to the totals`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const { printout, stats, arenas, sizeClasses } = (await classes(name, libraries)).sparse;
    assert.ok(arenas.length >= 2, 'V8 and libuv have threads');
    for (const figure of ['allocated', 'active', 'dirty', 'metadata', 'mapped', 'retained']) {
      assert.equal(sum(arenas, figure), stats[figure], figure);
    }
    const slack = sum(sizeClasses, 'bytes') - stats.allocated;
    if (printout.jemalloc.opt.disable_large_size_classes) {
      // Large objects are as large as they need be, and are counted in classes all the same.
      const large = sizeClasses.filter(({ kind }) => kind === 'large');
      assert.ok(slack >= 0 && slack < 0.2 * sum(large, 'bytes'), `${slack} is too much`);
    } else {
      assert.equal(slack, 0);
    }
    // Every byte of `pinned` is in some class.
    assert.equal(sum(sizeClasses, 'waste'), stats.pinned);
  });

  test(`${name}: of 100,000 Buffers one in four keeps the slabs of all`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const { full, sparse, held } = await classes(name, libraries);
    const of = ({ sizeClasses }) => sizeClasses.find(({ size }) => size === CLASS);
    assert.ok(Math.abs(of(full).count - COUNT) < 0.02 * COUNT, `${of(full).count} are live`);
    assert.ok(of(full).waste < MIB, `${of(full).waste} is wasted`);
    const wasted = (COUNT - held) * CLASS;
    const { count, waste } = of(sparse);
    assert.ok(Math.abs(count - held) < 0.05 * COUNT, `${count} live on`);
    assert.ok(Math.abs(waste - wasted) < 0.05 * wasted, `${waste} of ${wasted} is wasted`);
    assert.equal(sparse.sizeClasses[0].size, CLASS, 'the most wasteful comes first');
  });

  test(`${name}: decay times are those in force`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const { sparse } = await classes(name, libraries);
    const expected = { dirtyMs: 4321, muzzyMs: -1, backgroundThreads: false };
    assert.deepEqual(sparse.decay, expected);
  });
}
