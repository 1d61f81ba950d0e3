'use strict';

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const fc = require('fast-check');
const { USUAL_BESIDE_HEAP, adviseHeap } = require('../lib/heap-advice.js');
const { inCgroup, makeCgroup } = require('./support/cgroup.js');
const { finished } = require('./support/child.js');
const { MAJORS, binary, installNodes } = require('./support/nodes.js');

const MIB = 2 ** 20;

before(installNodes, { timeout: 600_000 });

test('without a limit there is nothing to say', () => {
  const why = 'there is no memory limit to fit the heap into';
  assert.deepEqual(adviseHeap({}), { maxOldSpaceMb: null, fits: null, why });
  const given = { limit: null, heapLimit: 4144 * MIB, besideHeap: 80 * MIB };
  assert.deepEqual(adviseHeap(given), { maxOldSpaceMb: null, fits: null, why });
});

test('a heap that may outgrow its container', () => {
  const { maxOldSpaceMb, fits, why } = adviseHeap({
    limit: 256 * MIB,
    heapLimit: 259 * MIB,
    besideHeap: 80 * MIB,
  });
  assert.equal(fits, false);
  assert.equal(maxOldSpaceMb, 150, '0.9 × 256 − 80');
  assert.equal(
    why,
    'V8 may grow its heap to 259 MB and the process needs about 80 MB beside it, which does not fit into ' +
      'the limit of 256 MB; a heap of about 150 MB fits: --max-old-space-size=150',
  );
});

test('a heap that fits, and how much more would', () => {
  const { maxOldSpaceMb, fits, why } = adviseHeap({ limit: 512 * MIB, heapLimit: 259 * MIB });
  assert.deepEqual([maxOldSpaceMb, fits], [364, true]);
  assert.match(why, /96 MB are assumed beside it, which fits/);
});

test('the kernel has its share: a heap between what fits and the limit does not', () => {
  const sized = (heapLimit, more = {}) =>
    adviseHeap({ limit: 200 * MIB, heapLimit: heapLimit * MIB, besideHeap: 80 * MIB, ...more })
      .fits;
  // 0.95 × 200 − 80
  assert.deepEqual([sized(110), sized(111), sized(200)], [true, false, false]);
});

test('several processes share the limit', () => {
  const three = { limit: 1024 * MIB, besideHeap: 80 * MIB, processes: 3 };
  const { maxOldSpaceMb, fits, why } = adviseHeap({ ...three, heapLimit: 259 * MIB });
  assert.deepEqual([maxOldSpaceMb, fits], [193, false], '0.95 × 1024 / 3 − 80 − 0.05 × 1024');
  assert.equal(
    why,
    'in each of 3 processes V8 may grow its heap to 259 MB and each of 3 processes needs about ' +
      '80 MB beside it, which does not fit into the limit of 1024 MB; ' +
      'a heap of about 193 MB fits: --max-old-space-size=193',
  );
  assert.equal(adviseHeap({ ...three, heapLimit: 240 * MIB }).fits, true);
});

test('where nothing fits, the limit is what must change', () => {
  const small = adviseHeap({ limit: 100 * MIB, heapLimit: 259 * MIB, besideHeap: 80 * MIB });
  assert.deepEqual([small.maxOldSpaceMb, small.fits], [null, false]);
  assert.match(small.why, /raise the limit$/);
  assert.equal(adviseHeap({ limit: 100 * MIB, besideHeap: 80 * MIB }).fits, null);
});

test('what is advised fits, with a tenth of the limit to spare, whatever is given', () => {
  const bytes = fc.integer({ min: 0, max: 2 ** 45 });
  const maybe = fc.option(bytes, { nil: undefined });
  fc.assert(
    fc.property(bytes, maybe, maybe, (limit, heapLimit, besideHeap) => {
      const { maxOldSpaceMb, fits, why } = adviseHeap({ limit, heapLimit, besideHeap });
      assert.ok(why.length > 20 && !/NaN|null|undefined/.test(why), why);
      assert.equal(fits === null, heapLimit === undefined);
      if (maxOldSpaceMb === null) return;
      const all = maxOldSpaceMb * MIB + (besideHeap ?? USUAL_BESIDE_HEAP);
      assert.ok(all <= 0.9 * limit && all > 0.9 * limit - MIB - 1, `${all} of ${limit}`);
    }),
  );
});

describe('in a container', () => {
  for (const major of MAJORS) {
    for (const limitMb of [256, 2048]) {
      test(`V8 with what is advised fits ${limitMb} MB, Node.js ${major}`, async (t) => {
        const group = makeCgroup(t, limitMb * MIB);
        if (group === null) return;
        const limit = limitMb * MIB;
        const heapLimit = async (...flags) => {
          const code = "require('node:v8').getHeapStatistics().heap_size_limit";
          const command = [binary(major), ...flags, '-p', code];
          return Number((await finished('/bin/sh', inCgroup(group, command))).stdout);
        };
        const { maxOldSpaceMb } = adviseHeap({ limit });
        const advised = await heapLimit(`--max-old-space-size=${maxOldSpaceMb}`);
        assert.ok(advised >= maxOldSpaceMb * MIB, `${advised}`);
        const { fits, why } = adviseHeap({ limit, heapLimit: advised });
        assert.equal(fits, true, why);
        // Node.js's own choice: half of the container, but never under 256 MB.
        const own = adviseHeap({ limit, heapLimit: await heapLimit() });
        assert.equal(own.fits, limitMb > 256, own.why);
      });
    }
  }
});
