'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');

const CHILD = path.join(__dirname, 'children', 'collector.js');
const YOUNG = ['--min-semi-space-size=64', '--max-semi-space-size=64'];

test('where young garbage is enough, old garbage stays, unless all is asked for', () => {
  const { enough, full } = JSON.parse(execFileSync(process.execPath, [...YOUNG, CHILD]));
  assert.ok(enough.freed >= 8 * 2 ** 20, `${enough.freed} bytes`);
  assert.equal(enough.outlived, true);
  assert.equal(full.outlived, false);
});
