'use strict';
// Profiles without code: what `heapgap run` and heapgap/preload make possible, and `--profile`, HEAPGAP_PROFILE.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { before, describe, it } = require('node:test');
const { NAMING_FLAG, withFlag, withRequire } = require('../lib/node-options.js');
const { finished } = require('./support/child.js');
const { BIN, NODE } = require('./support/doctor.js');
const { MAJORS, binary, installNodes } = require('./support/nodes.js');
const { copyPackage } = require('./support/package.js');

const PRELOAD = path.join(__dirname, '..', 'lib', 'preload.js');
const CHILD = path.join(__dirname, 'children', 'profile-names.js');
const NAMED = `${NAMING_FLAG} --require "${PRELOAD}"`;

before(installNodes, { timeout: 600_000 });

/** How `args` of Node.js ends in an empty folder, and what it leaves there. */
async function ended(t, args, { node = NODE, env } = {}) {
  const cwd = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-test-'));
  t.after(() => fs.rmSync(cwd, { recursive: true }));
  const all = await finished(node, args, { cwd, env });
  assert.equal(all.code, 0, all.stderr);
  return { ...all, files: fs.readdirSync(cwd) };
}

const run = (t, options, args, how = {}) =>
  ended(t, [BIN, 'run', ...options, '--', how.node ?? NODE, ...args], { env: how.env });

const variables = async (t, options, env) => {
  const code = 'JSON.stringify([process.env.NODE_OPTIONS, process.env.HEAPGAP_PROFILE])';
  return JSON.parse((await run(t, options, ['-p', code], { env })).stdout);
};

describe('the names of JavaScript functions', { timeout: 300_000 }, () => {
  for (const major of MAJORS) {
    it(`Node.js ${major}: are told in the main thread and in others, and nothing is left behind`, async (t) => {
      const node = binary(major);
      const { stdout, stderr, files, pid } = await run(t, ['--profile'], [CHILD], { node });
      const { main, worker, comments, hint } = JSON.parse(stdout);
      assert.equal(hint, false);
      assert.ok(main > 0.9, `${main}`);
      assert.ok(worker > 0.9, `${worker}`);
      assert.equal(comments, '');
      assert.equal(stderr, '');
      assert.deepEqual(files, []);
      assert.equal(fs.existsSync(`/tmp/perf-${pid}.map`), false);
    });
  }

  it('come with heapgap/preload and HEAPGAP_PROFILE=1, too', async (t) => {
    const env = { HEAPGAP_PROFILE: '1' };
    const { stdout } = await ended(t, ['-r', PRELOAD, CHILD], { env });
    const { main, worker } = JSON.parse(stdout);
    assert.ok(main > 0.9 && worker > 0.9, stdout);
  });

  it('are not there without; the profile says how to have them', async (t) => {
    const { main, worker, comments, hint } = JSON.parse((await run(t, [], [CHILD])).stdout);
    assert.equal(hint, true);
    assert.equal(main + worker, 0);
    assert.match(comments, /JavaScript functions have no names .*`npx heapgap run --profile`/);
  });
});

describe('the switch', { timeout: 120_000 }, () => {
  it('adds to NODE_OPTIONS, in any order with --govern', async (t) => {
    assert.deepEqual(await variables(t, ['--profile']), [NAMED, '1']);
    assert.deepEqual(await variables(t, [], { HEAPGAP_PROFILE: '1' }), [NAMED, '1']);
    const env = { NODE_OPTIONS: '--no-warnings' };
    const both = [`--no-warnings ${NAMED}`, '1'];
    assert.deepEqual(await variables(t, ['--govern', '--profile'], env), both);
    assert.deepEqual(await variables(t, ['--profile', '--govern'], env), both);
  });

  it('is turned off by 0, whatever the command says', async (t) => {
    assert.deepEqual(await variables(t, ['--profile'], { HEAPGAP_PROFILE: '0' }), [null, '0']);
    assert.deepEqual(await variables(t, [], { HEAPGAP_PROFILE: '' }), [null, '']);
  });

  it('warns of another value, and the program goes on', async (t) => {
    const env = { HEAPGAP_PROFILE: 'yes' };
    const { stdout, stderr } = await ended(t, ['-r', PRELOAD, '-p', '6*7'], { env });
    assert.equal(stdout, '42\n');
    const expected = /\[HEAPGAP_PROFILE\] HeapgapWarning: .*: expected 0 or 1, got "yes" /;
    assert.match(stderr, expected);
  });

  it('starts the command all the same where there is no addon', async (t) => {
    const bin = path.join(copyPackage(t), 'bin', 'heapgap.js');
    const args = [bin, 'run', '--profile', '--govern', '--', NODE, '-p', '6*7'];
    const { stdout, stderr } = await ended(t, args);
    assert.equal(stdout, '42\n');
    const without = 'a governor and names for JavaScript functions';
    assert.match(stderr, new RegExp(`^heapgap: starting \\S+ without ${without}: `, 'm'));
  });

  it('is in NODE_OPTIONS once, behind what is there', () => {
    assert.equal(withFlag(undefined, '--a'), '--a');
    assert.equal(withFlag('--b', '--a'), '--b --a');
    assert.equal(withFlag('--a --b', '--a'), '--a --b');
    const twice = withRequire(withFlag(NAMED, NAMING_FLAG), PRELOAD);
    assert.equal(twice, NAMED);
  });
});

describe('profiling', () => {
  it('is possible and off with `heapgap run`; MALLOC_CONF has the last word', async (t) => {
    const state = "const { profiler: p } = require('heapgap'); [p.available, p.active].join()";
    const args = ['-p', state.replace('heapgap', path.join(__dirname, '..'))];
    assert.equal((await run(t, [], args)).stdout, 'true,false\n');
    const off = { MALLOC_CONF: 'prof:false' };
    assert.equal((await run(t, [], args, { env: off })).stdout, 'false,false\n');
    const on = { MALLOC_CONF: 'prof_active:true' };
    assert.equal((await run(t, [], args, { env: on })).stdout, 'true,true\n');
  });
});
