'use strict';
// shed() and govern() together: servers whose memory is live, then freed.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { preload } = require('./support/allocators.js');
const { runChild } = require('./support/child.js');

const WORKED = { status: 200, retryAfter: null, text: 'worked' };
const WELL = { status: 200, retryAfter: null, text: 'well' };

for (const allocator of ['glibc', 'jemalloc 5.3.1']) {
  for (const framework of ['express', 'express4', 'fastify']) {
    test(`${framework} on ${allocator}: turned away while what is held is live`, async (t) => {
      const libraries = preload(t, allocator);
      if (libraries === null) return;
      const { atLimit, afterwards, ended, warnings } = await runChild('shed-governed.js', {
        preload: libraries,
        args: [framework],
        nodeArgs: ['--expose-gc'],
      });

      assert.equal(atLimit.figures.governor.level, 'limit');
      assert.equal(atLimit.figures.governor.limitSource, 'option');
      assert.ok(atLimit.figures.governor.purges > 0, 'purged before it sheds');
      assert.equal(atLimit.figures.shedding, 'limit');
      assert.deepEqual([atLimit.work.status, atLimit.work.retryAfter], [503, '10']);
      assert.equal(JSON.parse(atLimit.work.text).error.code, 'ERR_HEAPGAP_SHED');
      assert.deepEqual(atLimit.health, WELL);

      assert.equal(afterwards.figures.governor.level, 'calm');
      assert.equal(afterwards.figures.shedding, null);
      assert.equal(afterwards.figures.shed, 1);
      assert.deepEqual([afterwards.work, afterwards.health], [WORKED, WELL]);

      assert.equal(ended.figures.governor.running, false);
      assert.deepEqual([ended.work, ended.health], [WORKED, WELL]);
      assert.deepEqual(warnings, []);
    });
  }
}
