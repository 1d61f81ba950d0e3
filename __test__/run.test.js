'use strict';

const assert = require('node:assert/strict');
const { execFileSync, fork, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { before, describe, test } = require('node:test');
const fc = require('fast-check');
const { mergePreload } = require('../lib/environment.js');
const { LIBRARIES, preload } = require('./support/allocators.js');
const { environment, finished } = require('./support/child.js');
const { MAJORS, binary, installNodes } = require('./support/nodes.js');
const { copyPackage } = require('./support/package.js');

const BIN = path.join(__dirname, '..', 'bin', 'heapgap.js');
const IDENTIFY = path.join(__dirname, 'children', 'identify.js');
const ECHO = path.join(__dirname, 'children', 'run-echo.js');
const SHIPPED = LIBRARIES['jemalloc 5.3.1'];

const heapgap = (args, options) => finished(process.execPath, [BIN, ...args], options);
const LIMIT = { timeout: 120_000, killSignal: 'SIGKILL' };

before(installNodes, { timeout: 600_000 });

/** The command line of a copy of the package. */
const copyBin = (t, options) => path.join(copyPackage(t, options), 'bin', 'heapgap.js');

const evaluate = (code, options) => heapgap(['run', '--', process.execPath, '-p', code], options);

test('the command runs on the shipped jemalloc', async () => {
  const { code, stdout, stderr } = await heapgap(['run', '--', process.execPath, IDENTIFY]);
  assert.equal(code, 0, stderr);
  const allocator = JSON.parse(stdout);
  assert.equal(allocator.name, 'jemalloc');
  assert.equal(allocator.library, SHIPPED);
  assert.equal(stderr, '');
});

test('the `--` may be left out', async () => {
  const { stdout } = await heapgap(['run', process.execPath, IDENTIFY]);
  assert.equal(JSON.parse(stdout).name, 'jemalloc');
});

test('an existing LD_PRELOAD is kept, behind ours, but for other allocators', async (t) => {
  const allocators = preload(t, 'jemalloc 5.3.0', 'mimalloc', 'tcmalloc');
  if (allocators === null) return;
  const other = execFileSync('gcc', ['-print-file-name=libgcc_s.so.1'], {
    encoding: 'utf8',
  }).trim();
  const env = { LD_PRELOAD: `${allocators}:${other}` };
  const { stdout } = await evaluate('process.env.LD_PRELOAD', { env });
  assert.equal(stdout.trim(), `${SHIPPED}:${other}`);
});

test('any LD_PRELOAD is kept in its order, and ours comes first and once', () => {
  const file = fc.stringMatching(/^[a-z/.]{1,12}$/);
  const lists = fc.tuple(fc.array(file), fc.constantFrom(':', ' ', '::', ' : '));
  fc.assert(
    fc.property(lists, ([files, separator]) => {
      const merged = mergePreload(files.join(separator), '/ours.so').split(':');
      const others = files.filter((each) => each !== '/ours.so');
      assert.deepEqual(merged, ['/ours.so', ...others]);
    }),
  );
  assert.equal(mergePreload(undefined, '/ours.so'), '/ours.so');
  assert.equal(mergePreload('/ours.so:/a.so', '/ours.so'), '/ours.so:/a.so');
});

test('the command has the pid, the arguments and the environment', async () => {
  const code = 'JSON.stringify([process.pid, process.argv.slice(1), process.env.HG_TEST])';
  const args = ['run', '--', process.execPath, '-p', code, '--', 'a b', '', '--run', 'é'];
  const { stdout, pid } = await heapgap(args, { env: { HG_TEST: 'x=y' } });
  assert.deepEqual(JSON.parse(stdout), [pid, ['a b', '', '--run', 'é'], 'x=y']);
});

test('standard input, output and error are the command’s own', async () => {
  const code = "process.stdin.pipe(process.stdout); process.stderr.write('err')";
  const child = spawn(process.execPath, [BIN, 'run', '--', process.execPath, '-e', code], {
    env: environment(),
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data) => (stdout += data));
  child.stderr.on('data', (data) => (stderr += data));
  child.stdin.end('through the pipe');
  const [status] = await once(child, 'close');
  assert.deepEqual([status, stdout, stderr], [0, 'through the pipe', 'err']);
});

test('the exit status and the signal are the command’s own', async () => {
  assert.equal((await evaluate('process.exit(42)')).code, 42);
  assert.equal((await evaluate("process.kill(process.pid, 'SIGKILL')")).signal, 'SIGKILL');
});

test('signals reach the command', async () => {
  const code =
    "process.on('SIGTERM', () => process.exit(7)); console.log('up'); setInterval(() => {}, 9e4)";
  const child = spawn(process.execPath, [BIN, 'run', '--', process.execPath, '-e', code], {
    env: environment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [7, null]);
});

test('the command does not inherit the signals that Node.js ignores', async () => {
  const { stdout } = await heapgap(['run', '--', 'grep', 'SigIgn', '/proc/self/status']);
  assert.equal(stdout.trim(), 'SigIgn:\t0000000000000000');
});

test('what cannot be started is told apart by exit status', async () => {
  const missing = await heapgap(['run', '--', 'no-such-command-anywhere']);
  assert.equal(missing.code, 127);
  assert.match(missing.stderr, /^heapgap: cannot start no-such-command-anywhere: /);
  assert.doesNotMatch(missing.stderr, /separate words/);
  const sentence = await heapgap(['run', '--', 'node server.js']);
  assert.equal(sentence.code, 127);
  assert.match(
    sentence.stderr,
    /^heapgap: cannot start node server\.js: .* as separate words\)\n$/,
  );
  const folder = await heapgap(['run', '--', os.tmpdir()]);
  assert.equal(folder.code, 126);
  for (const args of [[], ['run'], ['run', '--'], ['run', '--nonsense', 'node'], ['nonsense']]) {
    const { code, stderr } = await heapgap(args);
    assert.equal(code, 125, args.join(' '));
    assert.match(stderr, args.length === 0 ? /\nusage: heapgap run/ : /\nSee heapgap --help\.\n$/);
  }
});

test('--help and --version', async () => {
  const help = await heapgap(['--help']);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /^usage: heapgap run/);
  const { stdout } = await heapgap(['--version']);
  assert.equal(stdout.trim(), require('../package.json').version);
});

test('a library whose path LD_PRELOAD cannot hold: the command starts all the same', async (t) => {
  const bin = copyBin(t, { name: 'heap gap-' });
  const code = 'String(process.env.LD_PRELOAD)';
  const ended = await finished(process.execPath, [bin, 'run', '--', process.execPath, '-p', code]);
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(ended.stdout.trim(), 'undefined');
  assert.match(ended.stderr, /without jemalloc: LD_PRELOAD cannot hold/);
});

test('what is said before the command starts leaves its output whole', async (t) => {
  const bin = copyBin(t, { name: 'heap gap-', addon: true });
  const command = [process.execPath, bin, 'run', '--', 'head', '-c', '2000000', '/dev/zero'];
  const { stdout } = await finished('sh', ['-c', '"$@" 2>&1 | cat', 'sh', ...command]);
  const [message] = stdout.split('\0', 1);
  assert.match(message, /^heapgap: starting head without jemalloc: LD_PRELOAD cannot hold .*\n$/);
  assert.equal(stdout.length - message.length, 2_000_000);
});

describe('descriptors from 3 on', () => {
  const open = (t, text) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-'));
    t.after(() => fs.rmSync(folder, { recursive: true }));
    fs.writeFileSync(path.join(folder, 'file'), text);
    const file = fs.openSync(path.join(folder, 'file'));
    t.after(() => fs.closeSync(file));
    return file;
  };

  for (const major of MAJORS) {
    const run = (command, options) => finished(binary(major), [BIN, 'run', ...command], options);

    test(`the command has those that heapgap was started with, Node.js ${major}`, async (t) => {
      const stdio = ['ignore', 'pipe', 'pipe', open(t, 'three '), open(t, 'four')];
      const { stdout, stderr } = await run(['sh', '-c', 'cat <&3; cat <&4'], { stdio });
      assert.deepEqual([stdout, stderr], ['three four', '']);
    });

    // The inspector's socket would take the port from the command.
    for (const NODE_OPTIONS of ['', '--inspect=0']) {
      test(`and none of Node.js’s own, Node.js ${major} ${NODE_OPTIONS}`, async (t) => {
        const stdio = ['ignore', 'pipe', 'pipe', open(t, '')];
        const plain = await finished('ls', ['/proc/self/fd'], { stdio });
        const { stdout } = await run(['ls', '/proc/self/fd'], { stdio, env: { NODE_OPTIONS } });
        assert.equal(stdout, plain.stdout);
      });
    }
  }

  const messages = { json: { a: [1] }, advanced: new Map([['a', 1n]]) };
  for (const [serialization, message] of Object.entries(messages)) {
    test(`the command has the channel of fork(), ${serialization}`, async () => {
      const child = fork(BIN, ['run', '--', process.execPath, ECHO], {
        ...LIMIT,
        env: environment(),
        serialization,
      });
      const ended = once(child, 'exit');
      child.send(message);
      const [answer] = await Promise.race([once(child, 'message'), ended]);
      assert.deepEqual(answer, message);
      assert.deepEqual(await ended, [0, null]);
    });
  }
});

describe('without an addon', () => {
  const start = (bin, command, options) =>
    finished(process.execPath, [bin, 'run', '--', ...command], options);

  test('status and environment', async (t) => {
    const bin = copyBin(t);
    const code = 'console.log(process.env.HG_TEST, process.env.LD_PRELOAD); process.exitCode = 42';
    const ended = await start(bin, [process.execPath, '-e', code], { env: { HG_TEST: 'x=y' } });
    const library = path.join(bin, '..', '..', 'preload', 'libjemalloc.so.2');
    assert.deepEqual([ended.code, ended.stdout], [42, `x=y ${library}\n`]);
  });

  test('signals reach the command', async (t) => {
    const bin = copyBin(t);
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']) {
      const code = `process.on('${signal}', () => process.exit(7)); console.log('up');
        setInterval(() => {}, 9e4)`;
      const command = [bin, 'run', '--', process.execPath, '-e', code];
      const child = spawn(process.execPath, command, {
        ...LIMIT,
        env: environment(),
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      child.kill(signal);
      assert.deepEqual(await once(child, 'exit'), [7, null], signal);
    }
  });

  test('a command that a signal ends', async (t) => {
    const bin = copyBin(t);
    for (const signal of ['SIGTERM', 'SIGKILL', 'SIGUSR1']) {
      const ended = await start(bin, ['sh', '-c', `kill -${signal.slice(3)} $$`]);
      assert.deepEqual([ended.code, ended.signal], [null, signal]);
    }
    // Node.js ignores it, so heapgap cannot end by it.
    const ended = await start(bin, ['sh', '-c', 'kill -PIPE $$']);
    assert.deepEqual([ended.code, ended.signal], [128 + os.constants.signals.SIGPIPE, null]);
  });

  test('what cannot be started', async (t) => {
    const bin = copyBin(t);
    const missing = await start(bin, ['node server.js']);
    assert.equal(missing.code, 127);
    assert.match(missing.stderr, /^heapgap: cannot start node server\.js: .* separate words\)\n$/);
    assert.equal((await start(bin, [os.tmpdir()])).code, 126);
  });

  test('under a permission model that allows neither addons nor processes', async () => {
    const env = { NODE_OPTIONS: '--permission --allow-fs-read=*' };
    const { code, stderr } = await finished(binary(24), [BIN, 'run', '--', 'true'], { env });
    assert.equal(code, 126);
    assert.match(stderr, /^heapgap: cannot start true: .*\n$/);
  });
});
