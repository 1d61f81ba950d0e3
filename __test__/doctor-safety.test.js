'use strict';
// doctor looks at processes that may be hostile, and at services that it must not disturb.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { describe, test } = require('node:test');
const { environment, finished } = require('./support/child.js');
const faulty = require('./support/faulty.js');

const ROOT = path.join(__dirname, '..');
const BIN = path.join(ROOT, 'bin', 'heapgap.js');
const NODE = process.execPath;
const { SHIPPED } = faulty;
const WAIT = "console.log('up'); setInterval(() => {}, 9e4)";

const doctor = (args, options) => finished(NODE, [BIN, 'doctor', ...args], options);

/** The report, and with which status doctor ended. */
async function examined(args, options) {
  const { code, stdout, stderr } = await doctor(['--json', ...args], options);
  assert.notEqual(stdout, '', stderr);
  return { status: code, ...JSON.parse(stdout) };
}

/** A process that has printed its first line; ended after the test. */
async function started(t, [file, ...args], env) {
  const child = spawn(file, args, {
    env: environment(env),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child.pid;
}

describe('MALLOC_CONF of another process writes no file and prints nothing', () => {
  const PROFILE = 'prof:true,prof_final:true,prof_prefix:FOLDER/p';
  const ATTACKS = [
    `:x,${PROFILE}`,
    `:,${PROFILE}`,
    `:x:y,${PROFILE}`,
    `narenas:2,:x,${PROFILE}`,
    `,${PROFILE}`,
    `narenas:2,,:x,${PROFILE}`,
    `narenas:2\n,:x,${PROFILE}`,
    `Prof:true,:x,${PROFILE}`,
    `narenas,${PROFILE}`,
    `${PROFILE}`,
    ':x,stats_print:true',
    ':x,confirm_conf:true',
    ':x,abort_conf:true,narena:1',
  ];
  for (const attack of ATTACKS) {
    test(JSON.stringify(attack), async (t) => {
      const folder = faulty.makeFolder(t);
      const env = { MALLOC_CONF: attack.replaceAll('FOLDER', folder) };
      const pid = await started(t, [NODE, '-e', WAIT], env);
      const report = await examined(['--pid', String(pid)]);
      assert.deepEqual(fs.readdirSync(folder), []);
      assert.deepEqual(report.notes, [], 'it was tried');
    });
  }

  test('what is tried of it is harmless pairs, whatever it is', async () => {
    // Judged by jemalloc itself: it says each pair that it reads.
    const { rehearse } = require('../lib/doctor/facts/rehearsal.js');
    const found = await rehearse(
      'narenas:3,dirty_decay_ms:x,prof_prefix:/p,narena:1,tcache_max:$1',
    );
    assert.equal(found.options.narenas, 3);
    assert.deepEqual(found.leftOut, ['prof_prefix', 'narena', 'tcache_max']);
    assert.deepEqual(found.complaints, ['<jemalloc>: Invalid conf value: dirty_decay_ms:x']);
  });
});
