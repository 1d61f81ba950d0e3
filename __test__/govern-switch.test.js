'use strict';
// A governor without code: HEAPGAP_GOVERN with heapgap/preload, and `heapgap run --govern`.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { before, describe, test } = require('node:test');
const fc = require('fast-check');
const { requireOption, withRequire, wordsOf } = require('../lib/node-options.js');
const { environment, finished } = require('./support/child.js');
const { MAJORS, binary, installNodes } = require('./support/nodes.js');
const { copyPackage } = require('./support/package.js');

const ROOT = path.join(__dirname, '..');
const BIN = path.join(ROOT, 'bin', 'heapgap.js');
const PRELOAD = path.join(ROOT, 'lib', 'preload.js');
const CHILDREN = path.join(__dirname, 'children', 'govern-switch');
const child = (name) => path.join(CHILDREN, name);
const REPORT = child('report.js');
const FIGURES = child('figures.js');
const SHIPPED_SWITCH = { gc: true };
const NODE = process.execPath;

before(installNodes, { timeout: 600_000 });

function parse({ stdout, stderr, code, signal }) {
  assert.equal(code, 0, `ended with ${code ?? signal}: ${stderr}`);
  return JSON.parse(stdout);
}

/** One warning of the switch on standard error, and nothing else. */
function assertWarning(stderr, pattern) {
  const [first, hint, ...more] = stderr.trimEnd().split('\n');
  assert.match(
    first,
    /^\(node:\d+\) \[HEAPGAP_GOVERN\] HeapgapWarning: no governor runs in this process: /,
  );
  assert.match(first, pattern);
  assert.match(hint, /--trace-warnings/);
  assert.deepEqual(more, []);
}

/** A copy of the package whose govern() writes down how it is called. */
function recording(t, options) {
  const folder = copyPackage(t, { addon: true, ...options });
  fs.copyFileSync(child('recorder.js'), path.join(folder, 'lib', 'govern.js'));
  const file = path.join(folder, 'calls');
  fs.writeFileSync(file, '');
  const calls = () =>
    fs
      .readFileSync(file, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  const start = (args, { env, node = NODE, ...rest } = {}) =>
    finished(node, args, { cwd: folder, ...rest, env: { HG_CALLS: file, ...env } });
  const bin = path.join(folder, 'bin', 'heapgap.js');
  const run = (args, how) => start([bin, 'run', ...args], how);
  const preload = path.join(folder, 'lib', 'preload.js');
  return { folder, file, calls, start, run, preload };
}

describe('NODE_OPTIONS', () => {
  const file = fc.string({
    unit: fc.constantFrom('a', '/', ' ', '"', '\\', 'é', '\n', "'"),
    minLength: 1,
  });
  const word = fc.stringMatching(/^[a-z=/-]{1,8}$/);

  test('any file is added behind what is there, and once', () => {
    fc.assert(
      fc.property(fc.array(word), file, (words, name) => {
        fc.pre(!words.includes(name));
        const options = withRequire(words.join(' '), name);
        assert.deepEqual(wordsOf(options), [...words, '--require', name]);
        assert.equal(withRequire(options, name), options);
      }),
    );
    assert.equal(withRequire(undefined, '/a.js'), '--require "/a.js"');
    for (const there of ['-r /a.js', '--require=/a.js', '-r "/a.js" -r b', '--import /a.js'])
      assert.equal(withRequire(there, '/a.js'), there);
    assert.equal(withRequire('-r /b/a.js', '/a.js'), '-r /b/a.js --require "/a.js"');
  });

  for (const major of MAJORS) {
    test(`it is taken apart as Node.js ${major} does`, async (t) => {
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-'));
      t.after(() => fs.rmSync(folder, { recursive: true }));
      const names = ['plain.js', 'a b.js', 'a"b.js', 'a\\b.js', 'a\\".js', "a'b.js", 'é\n.js'];
      const code = 'console.log(JSON.stringify(__filename))';
      for (const name of names) fs.writeFileSync(path.join(folder, name), code);
      const files = names.map((name) => path.join(folder, name));
      const NODE_OPTIONS = files.reduce(withRequire, '--title="a \\" b"');
      const ended = await finished(binary(major), ['-p', 'process.title'], {
        env: { NODE_OPTIONS },
      });
      assert.equal(
        ended.stdout,
        `${[...files.map((name) => JSON.stringify(name)), 'a " b'].join('\n')}\n`,
      );
      assert.deepEqual(wordsOf(NODE_OPTIONS).slice(0, 1), ['--title=a " b']);
    });
  }
});

describe('HEAPGAP_GOVERN with heapgap/preload', () => {
  test('unset, empty or 0: nothing', async (t) => {
    const { start, calls, preload } = recording(t);
    for (const HEAPGAP_GOVERN of [undefined, '', '0']) {
      const ended = await start(['-r', preload, REPORT], { env: { HEAPGAP_GOVERN } });
      parse(ended);
      assert.equal(ended.stderr, '');
    }
    assert.deepEqual(calls(), []);
  });

  const OPTIONS = {
    1: SHIPPED_SWITCH,
    '{}': SHIPPED_SWITCH,
    '{"gc":true,"pressureMark":0.75}': { gc: true, pressureMark: 0.75 },
    ' {"limit": 1e9} ': { ...SHIPPED_SWITCH, limit: 1e9 },
  };
  for (const [HEAPGAP_GOVERN, options] of Object.entries(OPTIONS)) {
    test(`${HEAPGAP_GOVERN}: one governor, after the start anew, that the program may replace`, async (t) => {
      const { start, calls, preload } = recording(t);
      const ended = await start(['-r', preload, REPORT], { env: { HEAPGAP_GOVERN } });
      const { pid, env } = parse(ended);
      const how = { replaceable: true };
      assert.deepEqual(calls(), [{ pid, allocator: 'jemalloc', options, how }]);
      assert.equal(env.HEAPGAP_GOVERN, HEAPGAP_GOVERN);
      assert.equal(ended.stderr, '');
    });
  }

  test('with HEAPGAP_PRELOAD=0, on the allocator that is live', async (t) => {
    const { start, calls, preload } = recording(t);
    const env = { HEAPGAP_GOVERN: '1', HEAPGAP_PRELOAD: '0' };
    const ended = await start(['-r', preload, REPORT], { env });
    assert.equal(parse(ended).env.LD_PRELOAD, undefined);
    assert.deepEqual(
      calls().map(({ allocator }) => allocator),
      ['glibc'],
    );
    assert.equal(ended.stderr, '');
  });

  test('where the start anew is given up, on the allocator that is live', async (t) => {
    const { folder, start, calls, preload } = recording(t);
    fs.writeFileSync(path.join(folder, 'preload', 'libjemalloc.so.2'), 'not a library');
    const ended = await start(['-r', preload, REPORT], { env: { HEAPGAP_GOVERN: '1' } });
    const { pid } = parse(ended);
    assert.match(ended.stderr, /\[HEAPGAP_PRELOAD\] HeapgapWarning: this process stays on glibc/);
    assert.deepEqual(
      calls().map((call) => [call.pid, call.allocator]),
      [[pid, 'glibc']],
    );
  });

  test('one governor, however often heapgap/preload is loaded', async (t) => {
    const { folder, start, calls, preload, file } = recording(t);
    const other = recording(t);
    const again = path.join(folder, 'again.js');
    fs.writeFileSync(
      again,
      `for (const name of Object.keys(require.cache)) delete require.cache[name];
      require(${JSON.stringify(preload)}); require(${JSON.stringify(REPORT)})`,
    );
    const first = path.join(folder, 'first.mjs');
    fs.writeFileSync(first, `import './lib/preload.js'; import ${JSON.stringify(REPORT)};`);
    const commands = [
      ['-r', preload, '-r', preload, REPORT],
      ['-r', preload, '--import', preload, first],
      [first],
      ['-r', preload, '-r', other.preload, REPORT],
      ['-r', preload, again],
    ];
    for (const command of commands) {
      fs.writeFileSync(file, '');
      const ended = await start(command, { env: { HEAPGAP_GOVERN: '1' } });
      const { pid } = parse(ended);
      assert.deepEqual(
        calls().map((call) => [call.pid, call.allocator]),
        [[pid, 'jemalloc']],
        command.join(' '),
      );
      assert.equal(ended.stderr, '');
    }
  });

  test('a program that governs itself already is left to itself', async (t) => {
    const { folder, start, calls, preload } = recording(t);
    const own = path.join(folder, 'own.js');
    fs.writeFileSync(own, "require('./lib/govern.js').govern({ gc: true })");
    const env = { HEAPGAP_GOVERN: '1', HEAPGAP_PRELOAD: '0' };
    const ended = await start(['-r', own, '-r', preload, REPORT], { env });
    parse(ended);
    assert.deepEqual(
      calls().map(({ options }) => options),
      [{ gc: true }],
    );
    assert.equal(ended.stderr, '');
  });

  test('children and cluster workers have each their own, worker threads have none', async (t) => {
    const { start, calls, preload } = recording(t);
    const env = { HEAPGAP_GOVERN: '1', NODE_OPTIONS: requireOption(preload) };
    const { pids, stderr } = parse(await start([child('family.js')], { env }));
    assert.deepEqual(
      calls().map(({ pid }) => pid),
      pids,
    );
    assert.equal(stderr, '');
  });

  const BAD = {
    true: /`HEAPGAP_GOVERN` to be unset, 0, 1 or the options of govern\(\) as a JSON object, got string "true"/,
    2: /got string "2"/,
    yes: /got string "yes"/,
    '{gc:true}': /got string "\{gc:true\}"/,
    '[1]': /as a JSON object, got string "\[1\]"/,
    null: /got string "null"/,
    '"1"': /got string "\\"1\\""/,
    ' ': /got string " "/,
    [`{"a":\n"${'x'.repeat(1e5)}`]: /got string "\{\\"a\\":\\n\\"x+…"/,
  };
  for (const [HEAPGAP_GOVERN, pattern] of Object.entries(BAD)) {
    test(`${JSON.stringify(HEAPGAP_GOVERN.slice(0, 20))}: one warning, and the service starts`, async (t) => {
      const { start, calls, preload } = recording(t);
      const ended = await start(['-r', preload, '-r', preload, REPORT, 'a b'], {
        env: { HEAPGAP_GOVERN },
      });
      assert.deepEqual(parse(ended).args, ['a b']);
      assertWarning(ended.stderr, pattern);
      assert.deepEqual(calls(), []);
    });
  }

  test('without an addon: one warning, and the service starts', async (t) => {
    const { start, calls, preload } = recording(t, { addon: false });
    const env = { HEAPGAP_GOVERN: '1', HEAPGAP_PRELOAD: '0' };
    const ended = await start(['-r', preload, REPORT], { env });
    parse(ended);
    assertWarning(ended.stderr, /no native addon for .* is installed/);
    assert.deepEqual(calls(), []);
  });

  test('a part of heapgap that cannot be loaded: one warning, and the service starts', async (t) => {
    for (const missing of ['govern.js', 'govern-switch.js']) {
      const { folder, start, preload } = recording(t);
      fs.rmSync(path.join(folder, 'lib', missing));
      const ended = await start(['-r', preload, REPORT], { env: { HEAPGAP_GOVERN: '1' } });
      parse(ended);
      assert.match(ended.stderr, /\[HEAPGAP_GOVERN\] HeapgapWarning: .*Cannot find module/);
    }
  });
});

describe('heapgap run --govern', () => {
  test('arguments, pid, what is in NODE_OPTIONS: all is kept', async (t) => {
    const { run, calls, preload } = recording(t);
    const own = '--max-old-space-size=77 --title="a b"';
    const command = ['--govern', '--', NODE, REPORT, 'a b', '', '--govern', 'é'];
    const ended = await run(command, { env: { NODE_OPTIONS: own } });
    const { pid, args, env } = parse(ended);
    assert.deepEqual([pid, args], [ended.pid, ['a b', '', '--govern', 'é']]);
    assert.equal(env.NODE_OPTIONS, `${own} --require "${preload}"`);
    assert.equal(env.HEAPGAP_GOVERN, '1');
    assert.equal(env.HEAPGAP_PRELOAD, undefined);
    const how = { replaceable: true };
    assert.deepEqual(calls(), [{ pid, allocator: 'jemalloc', options: SHIPPED_SWITCH, how }]);
    assert.equal(ended.stderr, '');
  });

  test('without it, and behind the `--`, nothing is added', async (t) => {
    const { run, calls } = recording(t);
    const { env } = parse(await run(['--', NODE, REPORT]));
    assert.deepEqual([env.NODE_OPTIONS, env.HEAPGAP_GOVERN], [undefined, undefined]);
    const missing = await run(['--', '--govern', NODE, REPORT]);
    assert.equal(missing.code, 127);
    assert.match(missing.stderr, /cannot start --govern: /);
    assert.deepEqual(calls(), []);
  });

  test('options that HEAPGAP_GOVERN has stay, and 0 turns it off', async (t) => {
    const { run, calls } = recording(t);
    const HEAPGAP_GOVERN = '{"gc":true,"pressureMark":0.75}';
    const given = parse(await run(['--govern', NODE, REPORT], { env: { HEAPGAP_GOVERN } }));
    assert.equal(given.env.HEAPGAP_GOVERN, HEAPGAP_GOVERN);
    const empty = parse(await run(['--govern', NODE, REPORT], { env: { HEAPGAP_GOVERN: '' } }));
    assert.equal(empty.env.HEAPGAP_GOVERN, '1');
    const off = parse(await run(['--govern', NODE, REPORT], { env: { HEAPGAP_GOVERN: '0' } }));
    assert.deepEqual([off.env.HEAPGAP_GOVERN, off.env.NODE_OPTIONS], ['0', undefined]);
    assert.notEqual(off.env.LD_PRELOAD, undefined);
    const expected = [{ gc: true, pressureMark: 0.75 }, SHIPPED_SWITCH];
    assert.deepEqual(
      calls().map(({ options }) => options),
      expected,
    );
  });

  test('HEAPGAP_GOVERN alone does the same as --govern', async (t) => {
    const { run, calls, preload } = recording(t);
    const { env } = parse(await run(['--', NODE, REPORT], { env: { HEAPGAP_GOVERN: '1' } }));
    assert.equal(env.NODE_OPTIONS, requireOption(preload));
    assert.equal(calls().length, 1);
    const off = parse(await run(['--', NODE, REPORT], { env: { HEAPGAP_GOVERN: '0' } }));
    assert.equal(off.env.NODE_OPTIONS, undefined);
  });

  test('two of them, one in the other', async (t) => {
    const { folder, run, calls, preload } = recording(t);
    const inner = [NODE, path.join(folder, 'bin', 'heapgap.js'), 'run', '--govern', NODE, REPORT];
    const { env, pid } = parse(await run(['--govern', ...inner]));
    assert.equal(env.NODE_OPTIONS, requireOption(preload));
    // The inner one is a Node.js process too, before it becomes the command.
    assert.deepEqual(
      calls().map((call) => call.pid),
      [pid, pid],
    );
  });

  test('every Node.js process of the command has a governor, and what is not Node.js is unharmed', async (t) => {
    const { run, calls } = recording(t);
    const script = 'echo "$1"; "$0" -p process.pid; "$0" -p process.pid; exit 42';
    const ended = await run(['--govern', '--', 'sh', '-c', script, NODE, 'a  b']);
    const [line, ...pids] = ended.stdout.trimEnd().split('\n');
    assert.deepEqual([ended.code, line, ended.stderr], [42, 'a  b', '']);
    assert.deepEqual(
      calls().map(({ pid }) => pid),
      pids.map(Number),
    );
    assert.equal((await run(['--govern', '--', 'sh', '-c', 'kill -TERM $$'])).signal, 'SIGTERM');
  });

  test('npm start', async (t) => {
    const { folder, run, calls } = recording(t);
    fs.mkdirSync(path.join(folder, 'service'));
    const scripts = { start: `"${NODE}" "${REPORT}"` };
    fs.writeFileSync(path.join(folder, 'service', 'package.json'), JSON.stringify({ scripts }));
    const ended = await run(['--govern', 'npm', '--silent', 'start'], {
      cwd: path.join(folder, 'service'),
    });
    const { pid } = parse(ended);
    const seen = calls().map((call) => call.pid);
    assert.deepEqual([seen.length, seen.at(-1), ended.stderr], [2, pid, '']);
  });

  test('standard input is the command’s own', async (t) => {
    const { folder, file, calls } = recording(t);
    const bin = path.join(folder, 'bin', 'heapgap.js');
    const args = [bin, 'run', '--govern', '--', NODE, '-e', 'process.stdin.pipe(process.stdout)'];
    const started = spawn(NODE, args, {
      env: environment({ HG_CALLS: file }),
      stdio: ['pipe', 'pipe', 'inherit'],
      timeout: 120_000,
    });
    const printed = started.stdout.setEncoding('utf8').toArray();
    started.stdin.end('through the pipe');
    assert.equal((await printed).join(''), 'through the pipe');
    assert.equal(calls().length, 1);
  });

  for (const major of MAJORS) {
    for (const name of ['heap gap-', 'heap"gap-', 'heap\\gap-', "heap'gap-", 'heap $gap" -']) {
      test(`in a folder ${name}…, Node.js ${major}`, async (t) => {
        const { run, calls } = recording(t, { name });
        const node = binary(major);
        const ended = await run(['--govern', '--', node, REPORT], { node });
        const { pid, env } = parse(ended);
        // LD_PRELOAD cannot hold a space: it goes on without jemalloc, and without a try in each process.
        const [allocator, HEAPGAP_PRELOAD, said] = name.includes(' ')
          ? ['glibc', '0', /^heapgap: starting .* without jemalloc: LD_PRELOAD cannot hold .*\n$/]
          : ['jemalloc', undefined, /^$/];
        assert.deepEqual(
          calls().map((call) => [call.pid, call.allocator]),
          [[pid, allocator]],
        );
        assert.equal(env.HEAPGAP_PRELOAD, HEAPGAP_PRELOAD);
        assert.match(ended.stderr, said);
      });
    }
  }

  test('without an addon the command starts as it would without --govern, and that is said', async (t) => {
    const { run, calls } = recording(t, { addon: false });
    const ended = await run(['--govern', '--', NODE, REPORT], {
      env: { NODE_OPTIONS: '--title=x' },
    });
    const { env } = parse(ended);
    assert.deepEqual([env.NODE_OPTIONS, env.HEAPGAP_GOVERN], ['--title=x', undefined]);
    assert.match(
      ended.stderr,
      /^heapgap: starting \S+ without a governor: no native addon for .*\n$/,
    );
    assert.deepEqual(calls(), []);
  });

  test('other options are refused by name', async () => {
    for (const [words, complaint] of [
      [['--govern=1'], /^heapgap: run has no option --govern=1\n/],
      [['--govern', '--gc'], /^heapgap: run has no option --gc\n/],
      [['--gc'], /^heapgap: run has no option --gc\n/],
      [['--govern'], /^heapgap: run needs a command/],
      [['--govern', '--'], /^heapgap: run needs a command/],
    ]) {
      const last = words.includes('--gc') || words[0] === '--govern=1' ? ['node'] : [];
      const { code, stderr } = await finished(NODE, [BIN, 'run', ...words, ...last]);
      assert.equal(code, 125, words.join(' '));
      assert.match(stderr, complaint);
    }
  });

  test('doctor finds nothing wrong with it', async () => {
    const command = ['run', '--govern', '--', NODE, '-e', 'setTimeout(() => {}, 9e4)'];
    const { stdout, stderr } = await finished(NODE, [
      BIN,
      'doctor',
      '--json',
      '--',
      NODE,
      BIN,
      ...command,
    ]);
    assert.notEqual(stdout, '', stderr);
    assert.deepEqual(JSON.parse(stdout).findings, []);
  });
});

for (const major of MAJORS) {
  describe(`the governor itself, Node.js ${major}`, () => {
    const node = binary(major);
    const start = (args, env) => finished(node, args, { cwd: ROOT, env });

    const WAYS = {
      'heapgap run --govern': { args: [BIN, 'run', '--govern', '--', node, FIGURES] },
      '-r': { args: ['-r', 'heapgap/preload', FIGURES], env: { HEAPGAP_GOVERN: '1' } },
      '--import': { args: ['--import', 'heapgap/preload', FIGURES], env: { HEAPGAP_GOVERN: '1' } },
      'import as the first line': { args: [child('first.mjs')], env: { HEAPGAP_GOVERN: '1' } },
    };
    for (const [name, { args, env }] of Object.entries(WAYS)) {
      test(`${name}: it runs, on jemalloc, and does not keep the process`, async () => {
        const ended = await start(args, env);
        const seen = parse(ended);
        assert.deepEqual(
          [seen.pid, seen.name, seen.governor?.running],
          [ended.pid, 'jemalloc', true],
        );
        assert.equal(ended.stderr, '');
      });
    }

    test('on glibc', async () => {
      const env = { HEAPGAP_GOVERN: '1', HEAPGAP_PRELOAD: '0' };
      const seen = parse(await start(['-r', PRELOAD, FIGURES], env));
      assert.deepEqual([seen.name, seen.governor?.running], ['glibc', true]);
    });

    test('nobody asks: none', async () => {
      const seen = parse(await start(['-r', PRELOAD, FIGURES], {}));
      assert.deepEqual([seen.name, seen.governor], ['jemalloc', null]);
    });

    test('it has the options', async () => {
      const limit = 32 * 2 ** 20;
      const HEAPGAP_GOVERN = JSON.stringify({ limit });
      const { governor } = parse(await start(['-r', PRELOAD, FIGURES], { HEAPGAP_GOVERN }));
      assert.deepEqual(
        [governor.running, governor.limit, governor.limitSource],
        [true, limit, 'option'],
      );
    });

    test('the program’s own replaces it, and is replaced by none', async () => {
      const limit = 32 * 2 ** 20;
      const command = [BIN, 'run', '--govern', '--', node, child('own.js'), String(limit)];
      const ended = await start(command);
      const { second, ...seen } = parse(ended);
      const expected = { before: true, running: true, limit, limitSource: 'option', after: false };
      assert.deepEqual(seen, expected);
      assert.equal(typeof second, 'string');
      assert.equal(ended.stderr, '');
    });

    for (const [HEAPGAP_GOVERN, pattern] of [
      ['{"gcc":true}', /govern\(\) has no option `gcc`; its options: .*`gc`/],
      ['{"gc":"yes"}', /expected `gc` to be .*, got string "yes"/],
      ['{"limit":-1}', /expected `limit` to be .*, got number -1/],
      ['{"__proto__":{}}', /has no option `__proto__`/],
    ]) {
      test(`${HEAPGAP_GOVERN}: one warning, and the service starts`, async () => {
        const ended = await start(['-r', PRELOAD, FIGURES], { HEAPGAP_GOVERN });
        const { governor } = parse(ended);
        assert.equal(governor?.running ?? false, false);
        assertWarning(ended.stderr, pattern);
      });
    }
  });
}
