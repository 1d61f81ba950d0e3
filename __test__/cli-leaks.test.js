'use strict';
// `heapgap leaks`.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { before, describe, it } = require('node:test');
const { gunzipSync } = require('node:zlib');
const { parse } = require('../lib/cli/leaks/options.js');
const { toText } = require('../lib/cli/leaks/report.js');
const { finished } = require('./support/child.js');
const { BIN, NODE } = require('./support/doctor.js');
const { MAJORS, binary, installNodes } = require('./support/nodes.js');
const { copyPackage } = require('./support/package.js');

const CHILD = path.join(__dirname, 'children', 'leaks.js');
const HOARD = 20_000_000;

before(installNodes, { timeout: 600_000 });

/** The check in a folder for temporary files of its own, which is empty afterwards. */
async function leaks(t, words, { env, bin = BIN, ...options } = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-test-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const all = { TMPDIR: folder, ...env };
  const ended = await finished(NODE, [bin, 'leaks', ...words], {
    cwd: folder,
    ...options,
    env: all,
  });
  return { ...ended, folder, files: fs.readdirSync(folder) };
}

const check = (t, end, work, { node = NODE, own = [], ...options } = {}) =>
  leaks(t, [...own, '--', node, CHILD, end, ...work], options);

const UNITS = { KB: 2 ** 10, MB: 2 ** 20 };

/** What each process was said to have left, in bytes. */
const totals = (stderr) =>
  [...stderr.matchAll(/^heapgap: leaks\.js \(pid \d+\): (\S+) (KB|MB) of native memory/gm)].map(
    ([, number, unit]) => Number(number) * UNITS[unit],
  );

/** The bytes of all stacks that are shown with this in them. */
function bytesOf(stderr, pattern) {
  const stacks = stderr.split(/^ {2}(?=\S)/m).slice(1);
  const found = stacks.filter((stack) => pattern.test(stack));
  return found.reduce((sum, stack) => {
    const [, number, unit] = /^(\S+) (KB|MB)/.exec(stack);
    return sum + Number(number) * UNITS[unit];
  }, 0);
}

/** 1,200 samples: a tenth is more than three times their standard deviation. */
function assertHoard(bytes) {
  assert.ok(bytes > 0.9 * HOARD && bytes < 1.1 * HOARD + UNITS.MB, `${bytes}`);
}

describe('what is live at the end', { timeout: 300_000 }, () => {
  for (const major of MAJORS) {
    it(`Node.js ${major}: is told by stack, down to the function that keeps it`, async (t) => {
      const node = binary(major);
      const { code, stderr, files } = await check(t, 'itself', ['dropBuffers', 'keepBuffers'], {
        node,
      });
      assert.equal(code, 1, stderr);
      assertHoard(totals(stderr)[0]);
      assertHoard(bytesOf(stderr, /^ {6}keepBuffers \(.*leaks\.js:13\)$/m));
      assert.equal(bytesOf(stderr, /dropBuffers/), 0);
      assert.deepEqual(files, []);
    });

    it(`Node.js ${major}: is little where a program has dropped what it took`, async (t) => {
      const node = binary(major);
      const { code, stderr } = await check(t, 'itself', ['dropBuffers', 'dropContexts'], { node });
      assert.equal(code, 0, stderr);
      assert.match(stderr, /within 8\.0 MB/);
    });
  }

  for (const end of ['exit', 'listener', 'worker', 'early']) {
    it(`is told where it ends by: ${end}`, async (t) => {
      const { code, stderr } = await check(t, end, ['keepBuffers']);
      assert.equal(code, 1, stderr);
      assert.ok(bytesOf(stderr, /keepBuffers/) > 0.9 * HOARD, stderr);
    });
  }

  it('is without what the last listener frees', async (t) => {
    const { code, stderr } = await check(t, 'frees', ['keepBuffers']);
    assert.equal(code, 0, stderr);
  });

  it('is told of each Node.js process', async (t) => {
    const { code, stderr } = await check(t, 'forks', []);
    assert.equal(code, 1, stderr);
    const [parent, child] = totals(stderr);
    assert.ok(parent < UNITS.MB, stderr);
    assertHoard(child);
  });

  it('is sampled from the start, whatever MALLOC_CONF says', async (t) => {
    const env = { MALLOC_CONF: 'lg_prof_sample:26,prof_thread_active_init:false' };
    const { code, stderr } = await check(t, 'itself', ['keepBuffers'], { env });
    assert.equal(code, 1, stderr);
    assertHoard(totals(stderr)[0]);
  });

  it('is no failure within --max-bytes', async (t) => {
    const own = ['--max-bytes', String(2 * HOARD), '--sample-bytes=65536'];
    const { code, stderr } = await check(t, 'itself', ['keepBuffers'], { own });
    assert.equal(code, 0, stderr);
    assert.match(stderr, /within 38\.1 MB; estimated from a sample every 64 KB\n/);
  });
});

describe('the command', { timeout: 300_000 }, () => {
  it('has its own output, and its own failure', async (t) => {
    const said = await leaks(t, [NODE, '-p', '6*7']);
    assert.equal(said.code, 0, said.stderr);
    assert.equal(said.stdout, '42\n');
    const { code, stderr } = await check(t, 'fails', ['keepBuffers']);
    assert.equal(code, 3);
    assertHoard(totals(stderr)[0]);
    const thrown = await check(t, 'throws', ['keepBuffers']);
    assert.equal(thrown.code, 1);
    assertHoard(totals(thrown.stderr)[0]);
  });

  it('ends as it was ended', async (t) => {
    const { signal, stderr, files } = await check(t, 'killed', ['keepBuffers']);
    assert.equal(signal, 'SIGKILL');
    assert.match(
      stderr,
      /^heapgap: leaks\.js \(pid \d+\) was not checked: it did not come to its end\nheapgap: \S+ ended with SIGKILL\n$/,
    );
    assert.deepEqual(files, []);
  });

  it('ends as without the check', async (t) => {
    const once = await check(t, 'beforeExit', []);
    assert.deepEqual([once.code, once.stdout], [0, 'before']);
    // Node.js's status for it differs by version.
    const plain = await finished(NODE, [CHILD, 'throwsAtExit']);
    const thrown = await check(t, 'throwsAtExit', ['keepBuffers']);
    assert.equal(thrown.code, plain.code);
    assertHoard(totals(thrown.stderr)[0]);
  });

  it('may lose its rights, or a child', async (t) => {
    const killed = await check(t, 'forksKilled', []);
    assert.equal(killed.code, 0, killed.stderr);
    assert.match(killed.stderr, /was not checked: it did not come to its end\n/);
    if (process.getuid() !== 0) return;
    const { code, stderr } = await check(t, 'nobody', []);
    assert.equal(code, 125);
    assert.match(stderr, /leaks\.js \(pid \d+\) was not checked: nothing can be written: EACCES/);
  });

  it('must be there, and run Node.js', async (t) => {
    const missing = await leaks(t, ['no-such-command']);
    assert.equal(missing.code, 127);
    assert.match(missing.stderr, /^heapgap: cannot start no-such-command: /);
    const other = await leaks(t, ['true']);
    assert.equal(other.code, 125);
    assert.match(other.stderr, /cannot check true: no Node\.js process of it came to/);
    assert.deepEqual([...missing.files, ...other.files], []);
    const nowhere = await leaks(t, ['true'], { env: { TMPDIR: '/nonexistent' } });
    assert.equal(nowhere.code, 125);
    assert.match(nowhere.stderr, /^heapgap: cannot check true: ENOENT/);
  });

  it('is not checked where profiling is turned off, or cannot be', async (t) => {
    const { code, stderr } = await check(t, 'itself', [], { env: { MALLOC_CONF: 'prof:false' } });
    assert.equal(code, 125);
    assert.match(stderr, /leaks\.js \(pid \d+\) was not checked: jemalloc was started without/);
    const bin = path.join(copyPackage(t), 'bin', 'heapgap.js');
    const without = await check(t, 'itself', [], { bin });
    assert.equal(without.code, 125);
    assert.match(without.stderr, /was not checked: no native addon for \S+ is installed/);
  });
});

describe('--output', { timeout: 120_000 }, () => {
  it('is a flame graph or pprof, of the process that left most', async (t) => {
    const drawn = await check(t, 'forks', [], { own: ['--output', 'x.svg'] });
    assert.deepEqual(drawn.files, ['x.svg']);
    assert.match(
      fs.readFileSync(path.join(drawn.folder, 'x.svg'), 'utf8'),
      /<svg[\s\S]*keepBuffers/,
    );
    const { files, folder } = await check(t, 'itself', ['keepBuffers'], {
      own: ['--output', 'x.pb.gz'],
    });
    assert.deepEqual(files, ['x.pb.gz']);
    assert.match(
      gunzipSync(fs.readFileSync(path.join(folder, 'x.pb.gz'))).toString(),
      /keepBuffers/,
    );
  });

  it('is never another file, and none where there is nothing to write', async (t) => {
    const { code, stderr, stdout } = await leaks(t, ['--output', '/proc/x.svg', NODE, '-p', '1']);
    assert.equal(code, 125);
    assert.match(stderr, /there is no writing to \/proc\/x\.svg/);
    assert.equal(stdout, '');
    const killed = await check(t, 'killed', [], { own: ['--output', 'x.svg'] });
    assert.deepEqual(killed.files, []);
  });
});

describe('what is asked for', () => {
  it('is the command with all of its own words', () => {
    const defaults = { maxBytes: 8388608, sampleBytes: 16384, output: null, format: null };
    assert.deepEqual(parse(['node', '--', '--output']), {
      ...defaults,
      command: ['node', '--', '--output'],
    });
    const words = ['--max-bytes', '0', '--output=a.pb.gz', '--', '--odd', 'x'];
    const expected = { maxBytes: 0, output: 'a.pb.gz', format: 'pprof', command: ['--odd', 'x'] };
    assert.deepEqual(parse(words), { ...defaults, ...expected });
  });

  it('is nothing else', async (t) => {
    const wrong = [
      [],
      ['--'],
      ['--max-bytes', '5'],
      ['--max-bytes', '-1', 'node'],
      ['--max-bytes', '1e3', 'node'],
      ['--sample-bytes', '5', 'node'],
      ['--output', 'x.txt', 'node'],
      ['--fast', 'node'],
    ];
    for (const words of wrong) assert.throws(() => parse(words), /expected|option|needs/);
    const { code, stderr } = await leaks(t, ['--fast', 'node']);
    assert.equal(code, 125);
    assert.match(stderr, /'--fast'[\s\S]*\nSee heapgap --help\.\n$/);
  });
});

describe('the report', () => {
  const frame = (name, file = null, line = null) => ({ name, file, line });
  const textOf = (stacks, others = 0, notes = []) => {
    const bytes = stacks.reduce((sum, stack) => sum + stack.bytes, 0);
    const found = { sampleBytes: 16384, bytes, objects: 1, stacks, others, notes };
    return toText({ pid: 1, program: 'a\u001b[31m.js', found }, 2 ** 20);
  };

  it('ends with the program’s outermost function, and cuts what is deep', () => {
    const deep = Array.from({ length: 30 }, (_, i) => frame(`f${i}`));
    const frames = [...deep, frame('mine', '/a.js', 3), frame('run', 'node:internal/x', 1)];
    const text = textOf([{ bytes: 2 ** 21, objects: 1, frames }], 2);
    assert.match(text, / {6}f19\n {6}… 11 more frames\n {2}2 more stacks\n$/);
    const short = textOf([{ bytes: 5, objects: 2, frames: frames.slice(29) }]);
    assert.match(short, /in 2 objects, of mine \(\/a\.js:3\)\n {6}f29\n {6}mine \(\/a\.js:3\)\n$/);
  });

  it('takes stacks for one that differ in how V8 came to native code, and shows the largest', () => {
    const ends = [frame('resize', '/a.js', 3), frame('main', '/a.js', 9)];
    const called = [frame('v8::internal::Builtin_HandleApiCall'), frame('alloc', 'node:buffer', 1)];
    const stacks = [
      { bytes: 2 ** 20, objects: 3, frames: [frame('New'), ...called, ...ends] },
      { bytes: 2 ** 19, objects: 2, frames: [frame('Parse'), ...ends] },
      { bytes: 2 ** 18, objects: 1, frames: [frame('New'), frame('[generated code]'), ...ends] },
    ];
    const heads = textOf(stacks).match(/^ {2}\S.*$/gm);
    assert.deepEqual(heads, [
      '  1.3 MB (71 %) in 4 objects, of resize (/a.js:3)',
      '  512 KB (29 %) in 2 objects, of resize (/a.js:3)',
    ]);
    assert.match(textOf(stacks), /4 objects.*\n {6}New\n {6}v8::internal::Builtin_HandleApiCall\n/);
    const others = [
      [frame('[a.node]'), ...ends],
      [frame('[b.node]'), ...ends],
      [called[0]],
      [called[1]],
    ];
    const apart = textOf(others.map((frames) => ({ bytes: 2 ** 20, objects: 1, frames })));
    assert.equal(apart.match(/^ {2}1\.0 MB \(25 %\)/gm).length, 4, apart);
  });

  it('says what could not be named', () => {
    assert.match(textOf([], 0, ['a\u0007 has no names']), /\n {2}a\\u0007 has no names\n$/);
  });

  it('lets no name reach the terminal as more than letters', () => {
    const text = textOf([
      { bytes: 5, objects: 1, frames: [frame('\u001b]0;x\u0007', '/\u202e', 1)] },
    ]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u202e]/);
  });

  it('leaves out stacks that have freed more than they took', () => {
    const text = textOf([
      { bytes: 5, objects: 1, frames: [frame('a')] },
      { bytes: -5, objects: 0, frames: [frame('b')] },
    ]);
    assert.match(text, /\n {2}1 more stack\n$/);
  });
});
