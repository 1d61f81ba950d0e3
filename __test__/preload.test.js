'use strict';

const assert = require('node:assert/strict');
const { execFileSync, fork, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { before, describe, test } = require('node:test');
const { LIBRARIES, preload } = require('./support/allocators.js');
const { environment, finished } = require('./support/child.js');
const { MAJORS, binary, installNodes } = require('./support/nodes.js');
const { copyPackage } = require('./support/package.js');

const ROOT = path.join(__dirname, '..');
const PRELOAD = path.join(ROOT, 'lib', 'preload.js');
const CHILDREN = path.join(__dirname, 'children', 'preload');
const child = (name) => path.join(CHILDREN, name);
const REPORT = child('report.js');
const SHIPPED = LIBRARIES['jemalloc 5.3.1'];
const LIMIT = { timeout: 120_000, killSignal: 'SIGKILL' };

before(installNodes, { timeout: 600_000 });

/** Runs Node.js to its end, in the repository, where the package finds itself by its name. */
const node = (args, { major, ...options } = {}) =>
  finished(major ? binary(major) : process.execPath, args, { cwd: ROOT, ...options });

function parse({ stdout, stderr, code, signal }) {
  assert.equal(code, 0, `ended with ${code ?? signal}: ${stderr}`);
  return JSON.parse(stdout);
}

function temporary(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  return folder;
}

/** Counts the starts of Node.js, by a module that is loaded before all else. */
function counter(t) {
  const file = path.join(temporary(t), 'starts');
  fs.writeFileSync(file, '');
  const count = () => fs.readFileSync(file, 'utf8').split('\n').length - 1;
  const environment = (env = {}) => {
    const options = `-r ${child('count.js')} ${env.NODE_OPTIONS ?? ''}`;
    return { ...env, HG_STARTS: file, NODE_OPTIONS: options };
  };
  return { count, environment };
}

/** Starts a debugger, in a Node.js that has WebSocket; answers what ends it. */
function startDebugger(url) {
  const client = spawn(binary(22), [child('debugger.js'), url], { ...LIMIT, stdio: 'ignore' });
  return () => client.kill('SIGKILL');
}

/** One warning of ours on standard error. */
function assertWarning(stderr, pattern) {
  const warnings = stderr.match(/\[HEAPGAP_PRELOAD\] HeapgapWarning: .*/g) ?? [];
  assert.equal(warnings.length, 1, stderr);
  assert.match(warnings[0], pattern);
}

const LOADED_BY = {
  '-r': { args: ['-r', 'heapgap/preload', REPORT] },
  '--import': { args: ['--import', 'heapgap/preload', REPORT] },
  'import as the first line': { args: [child('report.mjs')] },
  'NODE_OPTIONS=-r': { args: [REPORT], env: { NODE_OPTIONS: '-r heapgap/preload' } },
  'NODE_OPTIONS=--import': { args: [REPORT], env: { NODE_OPTIONS: '--import heapgap/preload' } },
};

for (const major of MAJORS) {
  describe(`Node.js ${major}`, () => {
    for (const [name, { args, env }] of Object.entries(LOADED_BY)) {
      test(`${name}: jemalloc is live after one more start, in the same process`, async (t) => {
        const starts = counter(t);
        const options = { major, env: starts.environment(env) };
        const ended = await node(args, options);
        const seen = parse(ended);
        assert.deepEqual([seen.name, seen.library], ['jemalloc', SHIPPED]);
        assert.equal(seen.pid, ended.pid);
        assert.equal(starts.count(), 2);
        assert.equal(ended.stderr, '');
      });
    }

    /** A start that finds jemalloc live already, so that nothing has to be kept. */
    const compare = async (command, options = {}) => {
      const anew = parse(await finished(...command, options));
      assert.equal(anew.name, 'jemalloc');
      const { LD_PRELOAD, MALLOC_CONF } = anew.env;
      assert.equal(LD_PRELOAD, SHIPPED);
      const env = { ...options.env, LD_PRELOAD, MALLOC_CONF };
      const bare = parse(await finished(...command, { ...options, env }));
      assert.deepEqual({ ...anew, pid: 0 }, { ...bare, pid: 0 });
      return anew;
    };

    test('arguments, folder, environment, umask, descriptors and signals stay', async (t) => {
      const folder = temporary(t);
      fs.writeFileSync(path.join(folder, 'before.js'), "process.env.HG_SET = 'by a module'");
      const file = fs.openSync(path.join(folder, 'before.js'));
      t.after(() => fs.closeSync(file));
      const words = ['-r', './before.js', '-r', PRELOAD, path.relative(folder, REPORT)];
      const rest = ['a b', '', '--inspect', '-r', 'é', '--'];
      const shell = ['-c', 'umask 027; exec "$@"', 'sh', binary(major), ...words, ...rest];
      const seen = await compare(['sh', shell], {
        cwd: folder,
        env: { HG_TEST: 'x=y\nz', HG_EMPTY: '', NODE_NO_WARNINGS: '1' },
        stdio: ['ignore', 'pipe', 'pipe', file],
      });
      assert.deepEqual(seen.argv.slice(2), rest);
      assert.deepEqual(seen.execArgv, words.slice(0, 4));
      assert.deepEqual(seen.cmdline.slice(1, 6), words);
      assert.deepEqual([seen.env.HG_SET, seen.env.HG_EMPTY], ['by a module', '']);
      assert.equal(seen.umask, 0o027);
      assert.ok(seen.descriptors.some(([, target]) => target.endsWith('before.js')));
    });

    test('options that Node.js reads early, and a process title', async () => {
      const options = ['--title=a-service', '--max-old-space-size=99', '--no-warnings'];
      const seen = await compare([binary(major), [...options, '-r', PRELOAD, REPORT, 'x']]);
      assert.equal(seen.title, 'a-service');
      assert.deepEqual(seen.argv.slice(2), ['x']);
    });

    test('what ran before it finds everything as it was: a title, a variable, an argument', async (t) => {
      const file = path.join(temporary(t), 'before.js');
      const code = `process.title = 'a title that is longer than the arguments are';
        if (process.env.HG_TEST !== 'x') throw new Error('it was taken before');
        delete process.env.HG_TEST;
        process.argv.splice(1, 1, ${JSON.stringify(REPORT)});
        process.argv.push('added');
        require(${JSON.stringify(PRELOAD)});
        require(${JSON.stringify(REPORT)});`;
      fs.writeFileSync(file, code);
      const env = { HG_TEST: 'x' };
      const seen = await compare([binary(major), [file, 'a b', '']], { env });
      assert.deepEqual(seen.argv.slice(1), [REPORT, 'a b', '', 'added']);
    });

    test('a script on standard input, loaded before it and by it', async () => {
      const script = `require(${JSON.stringify(REPORT)})`;
      const by = `require(${JSON.stringify(PRELOAD)}); ${script}`;
      for (const [text, words] of [
        [script, ['-r', PRELOAD, '-', 'x']],
        [by, []],
        [
          `import ${JSON.stringify(PRELOAD)}; import ${JSON.stringify(REPORT)}`,
          ['--input-type=module'],
        ],
      ]) {
        const shell = ['-c', 'printf %s "$0" | exec "$@"', text, binary(major), ...words];
        assert.equal(parse(await finished('sh', shell)).name, 'jemalloc', text);
      }
    });

    test('-e and -p', async () => {
      const code = 'require("heapgap/preload"); require("heapgap").allocator().name';
      const printed = await node(['-p', code, 'x'], { major });
      assert.deepEqual([printed.stdout, printed.stderr], ['jemalloc\n', '']);
      const evaluated = await node(
        ['-e', `console.log((${JSON.stringify(code)}, eval)('${code}'))`],
        {
          major,
        },
      );
      assert.equal(evaluated.stdout, 'jemalloc\n');
    });

    for (const serialization of ['json', 'advanced']) {
      test(`child_process.fork(), ${serialization}: the channel and its first message`, async () => {
        const forked = fork(child('echo.js'), {
          ...LIMIT,
          execPath: binary(major),
          execArgv: ['-r', PRELOAD],
          env: environment(),
          serialization,
        });
        const ended = once(forked, 'exit');
        forked.send({ a: [1] });
        const [answer] = await Promise.race([once(forked, 'message'), ended]);
        assert.deepEqual(answer, ['jemalloc', { a: [1] }]);
        assert.deepEqual(await ended, [0, null]);
      });
    }

    test('cluster: the workers inherit it, without a start of their own', async (t) => {
      const starts = counter(t);
      const args = ['-r', 'heapgap/preload', child('cluster.js')];
      const { name, pids, answers } = parse(await node(args, { major, env: starts.environment() }));
      assert.equal(name, 'jemalloc');
      assert.deepEqual(new Set(answers.map(({ pid }) => pid)), new Set(pids));
      assert.ok(answers.every((answer) => answer.name === 'jemalloc'));
      assert.equal(starts.count(), 2 + 2);
    });

    test('cluster: workers alone', async () => {
      const { name, pids, answers } = parse(
        await node([child('cluster.js'), 'workers only'], { major }),
      );
      assert.equal(name, 'glibc');
      assert.deepEqual(new Set(answers.map(({ pid }) => pid)), new Set(pids));
      assert.ok(answers.every((answer) => answer.name === 'jemalloc'));
    });

    test('--inspect: the debugger listens after it, in this process', async (t) => {
      const code = "process.stdin.once('data', () => process.exit())";
      const started = spawn(
        binary(major),
        ['--inspect=127.0.0.1:0', '-r', 'heapgap/preload', '-e', code],
        { ...LIMIT, cwd: ROOT, env: environment(), stdio: ['pipe', 'ignore', 'pipe'] },
      );
      t.after(() => started.kill('SIGKILL'));
      const ports = [];
      for await (const text of started.stderr.setEncoding('utf8')) {
        ports.push(...[...text.matchAll(/ws:\/\/127\.0\.0\.1:(\d+)/g)].map((match) => match[1]));
        if (ports.length === 2) break;
      }
      const answer = await fetch(`http://127.0.0.1:${ports[1]}/json/list`);
      const [{ title }] = await answer.json();
      assert.match(title, new RegExp(`\\[${started.pid}\\]`));
      await assert.rejects(fetch(`http://127.0.0.1:${ports[0]}/json/list`));
      started.stdin.write('\n');
      await once(started, 'exit');
    });

    test('--watch: each start of the service', async (t) => {
      const folder = temporary(t);
      const file = path.join(folder, 'service.js');
      const write = (word) =>
        fs.writeFileSync(
          file,
          `console.log('${word}', require(${JSON.stringify(ROOT)}).allocator().name);`,
        );
      write('first');
      const watching = spawn(binary(major), ['--watch', '-r', PRELOAD, file], {
        ...LIMIT,
        env: environment(),
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      t.after(() => watching.kill('SIGKILL'));
      let said = '';
      for await (const text of watching.stdout.setEncoding('utf8')) {
        said += text;
        if (/first \w+[\s\S]*Completed running/.test(said) && !said.includes('second'))
          write('second');
        if (/second \w+/.test(said)) break;
      }
      assert.match(said, /first jemalloc/);
      assert.match(said, /second jemalloc/);
    });
  });
}

describe('standard streams', () => {
  test('pipes: every byte, in both directions', async () => {
    const code =
      "process.stdin.pipe(process.stdout); process.stdin.on('end', () => console.error('end'))";
    const args = ['-r', 'heapgap/preload', '-e', code];
    const started = spawn(process.execPath, args, { ...LIMIT, cwd: ROOT, env: environment() });
    const [out, err] = [started.stdout, started.stderr].map((stream) => stream.toArray());
    const sent = Buffer.alloc(3_000_000, 'abcdefg');
    started.stdin.end(sent);
    assert.ok(Buffer.concat(await out).equals(sent));
    assert.equal(Buffer.concat(await err).toString(), 'end\n');
  });

  test('files: from where they stand', async (t) => {
    const folder = temporary(t);
    fs.writeFileSync(path.join(folder, 'in'), 'one two three');
    const shell = '{ head -c 4 >/dev/null; exec "$@"; } < in > out 2> err';
    // dd reads no more than it is told; head may.
    const command = shell.replace('head -c 4', 'dd bs=4 count=1 2>/dev/null');
    const code = 'process.stdin.pipe(process.stdout); console.error("said")';
    const args = ['-c', command, 'sh', process.execPath, '-r', PRELOAD, '-e', code];
    await finished('sh', args, { cwd: folder });
    const read = (name) => fs.readFileSync(path.join(folder, name), 'utf8');
    assert.deepEqual([read('out'), read('err')], ['two three', 'said\n']);
  });

  test('a terminal', async () => {
    const command = `'${process.execPath}' -r '${PRELOAD}' '${REPORT}'`;
    const { stdout } = await finished('script', ['-qec', command, '/dev/null']);
    const { name, terminal } = JSON.parse(stdout);
    assert.deepEqual([name, terminal], ['jemalloc', [true, true, true]]);
  });
});

test('signals and exit status are those of the service', async () => {
  const ending = (code) => node(['-r', 'heapgap/preload', '-e', code]);
  assert.equal((await ending('process.exit(42)')).code, 42);
  assert.equal((await ending("process.kill(process.pid, 'SIGKILL')")).signal, 'SIGKILL');
  const code =
    "process.on('SIGTERM', () => process.exit(7)); console.log('up'); setInterval(() => {}, 9e4)";
  const started = spawn(process.execPath, ['-r', 'heapgap/preload', '-e', code], {
    ...LIMIT,
    cwd: ROOT,
    env: environment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(started.stdout, 'data');
  started.kill('SIGTERM');
  assert.deepEqual(await once(started, 'exit'), [7, null]);
});

test("the user's MALLOC_CONF and LD_PRELOAD are kept", async (t) => {
  const other = preload(t, 'mimalloc');
  if (other === null) return;
  const library = execFileSync('gcc', ['-print-file-name=libgcc_s.so.1'], {
    encoding: 'utf8',
  }).trim();
  const env = {
    LD_PRELOAD: `${other} ${library}`,
    MALLOC_CONF: 'narenas:3,background_thread:false',
  };
  const seen = parse(await node(['-r', 'heapgap/preload', REPORT], { env }));
  assert.equal(seen.name, 'jemalloc');
  assert.equal(seen.env.LD_PRELOAD, `${SHIPPED}:${library}`);
  assert.match(seen.env.MALLOC_CONF, /,narenas:3,background_thread:false$/);
});

test('an executable that is gone, or another one in its place', async (t) => {
  for (const replacement of [null, '#!/bin/sh\necho replaced']) {
    const executable = path.join(temporary(t), 'node');
    fs.copyFileSync(process.execPath, executable);
    fs.chmodSync(executable, 0o755);
    const code = `const fs = require('node:fs');
      const path = ${JSON.stringify(executable)};
      fs.rmSync(path);
      if (process.env.HG_NEW) fs.writeFileSync(path, process.env.HG_NEW, { mode: 0o755 });`;
    const first = path.join(temporary(t), 'first.js');
    fs.writeFileSync(first, `try { ${code} } catch {}`);
    const env = replacement ? { HG_NEW: replacement } : {};
    const ended = await finished(executable, ['-r', first, '-r', PRELOAD, REPORT], { env });
    assert.equal(parse(ended).name, 'jemalloc');
  }
});

test('a title that is the name of the command', async () => {
  const shell = 'exec -a node "$0" --title=node -r "$1" "$2"';
  const ended = await finished('bash', ['-c', shell, process.execPath, PRELOAD, REPORT]);
  const { name, argv } = parse(ended);
  assert.deepEqual([name, argv[1]], ['jemalloc', REPORT]);
});

test('code on standard input, to be printed', async () => {
  const code = "require('heapgap/preload'); require('heapgap').allocator().name";
  const shell = ['-c', 'printf %s "$0" | exec "$@"', code, process.execPath, '-p'];
  assert.equal((await finished('sh', shell, { cwd: ROOT })).stdout, 'jemalloc\n');
});

test('files and pipes that a shell has opened for it, wherever', async (t) => {
  const folder = temporary(t);
  const code = 'for (const fd of [5, 9, 16]) fs.writeSync(fd, "x")';
  const shell = 'exec 5>five 9>nine; exec "$@" 16>&1';
  const command = ['bash', '-c', shell, 'bash', process.execPath, '-r', PRELOAD, '-e', code];
  const { stdout, stderr } = await finished('sh', ['-c', '"$@" | cat', 'sh', ...command], {
    cwd: folder,
  });
  const read = (name) => fs.readFileSync(path.join(folder, name), 'utf8');
  assert.deepEqual([stdout, stderr, read('five'), read('nine')], ['x', '', 'x', 'x']);
});

test('arguments that are no text', async () => {
  const shell = 'exec "$0" -r "$1" "$2" "$(printf "caf\\351")"';
  const { stdout } = await finished('sh', ['-c', shell, process.execPath, PRELOAD, REPORT]);
  const { name, cmdline } = JSON.parse(stdout);
  assert.deepEqual([name, cmdline.at(-2)], ['jemalloc', 'caf\xe9']);
});

test('source maps', async (t) => {
  const folder = temporary(t);
  const file = path.join(folder, 'out.js');
  const map = { version: 3, sources: ['source.ts'], names: [], mappings: 'AAGA,MAAM' };
  const inline = Buffer.from(JSON.stringify(map)).toString('base64');
  const comment = `//# sourceMappingURL=data:application/json;base64,${inline}`;
  fs.writeFileSync(
    file,
    `throw new Error(require(${JSON.stringify(ROOT)}).allocator().name);\n${comment}`,
  );
  fs.writeFileSync(path.join(folder, 'source.ts'), '\n\n\nthrow new Error();\n');
  const { stderr } = await node(['--enable-source-maps', '-r', 'heapgap/preload', file]);
  assert.match(stderr, /Error: jemalloc/);
  assert.match(stderr, /source\.ts:4/);
});

test('pid 1 of a pid namespace', async () => {
  const command = ['--pid', '--fork', '--mount-proc', process.execPath, '-r', PRELOAD, REPORT];
  const seen = parse(await finished('unshare', command));
  assert.deepEqual([seen.name, seen.pid], ['jemalloc', 1]);
});

describe('nothing happens', () => {
  const untouched = async (t, args, env) => {
    const starts = counter(t);
    const ended = await node(args, { env: starts.environment(env) });
    assert.equal(ended.stderr, '');
    return { starts: starts.count(), seen: parse(ended) };
  };

  test('when a jemalloc is live already, whichever', async (t) => {
    for (const LD_PRELOAD of [SHIPPED, LIBRARIES['jemalloc 5.3.0']].filter(Boolean)) {
      const { starts, seen } = await untouched(t, ['-r', 'heapgap/preload', REPORT], {
        LD_PRELOAD,
      });
      assert.equal(starts, 1);
      assert.equal(seen.env.LD_PRELOAD, LD_PRELOAD);
      assert.equal(seen.env.MALLOC_CONF, undefined);
    }
  });

  test('with HEAPGAP_PRELOAD=0', async (t) => {
    const args = ['-r', 'heapgap/preload', REPORT];
    const { starts, seen } = await untouched(t, args, { HEAPGAP_PRELOAD: '0' });
    assert.deepEqual([starts, seen.name, seen.env.LD_PRELOAD], [1, 'glibc', undefined]);
  });

  test('in a worker thread', async (t) => {
    const { starts, seen } = await untouched(t, [child('worker.js')], {});
    assert.deepEqual([starts, seen], [1, { same: true, name: 'glibc' }]);
  });

  test('in a child that inherited it', async (t) => {
    const { starts, seen } = await untouched(t, ['-r', PRELOAD, child('family.js')], {});
    assert.equal(starts, 3);
    assert.deepEqual([seen.own.name, seen.child.name], ['jemalloc', 'jemalloc']);
    assert.equal(seen.child.HEAPGAP_PRELOAD_DONE, undefined);
  });
});

test('the mark of another process does not stop this one', async () => {
  const env = { HEAPGAP_PRELOAD_DONE: `${process.pid}:1` };
  assert.equal(parse(await node(['-r', 'heapgap/preload', REPORT], { env })).name, 'jemalloc');
});

describe('where it cannot be done the service starts all the same, with one warning', () => {
  /** What a service on a copy of the package saw, started with `-r` and the copy's lib/preload.js. */
  const startCopy = async (t, change, { before: first = [], ...options } = {}) => {
    const folder = copyPackage(t, { addon: true });
    change(folder);
    const starts = counter(t);
    const args = [...first, '-r', path.join(folder, 'lib', 'preload.js')];
    const ended = await finished(process.execPath, [...args, child('family.js')], {
      cwd: folder,
      ...options,
      env: starts.environment(options.env),
    });
    return { ...parse(ended), warning: ended.stderr, starts: starts.count() };
  };
  const library = (folder) => path.join(folder, 'preload', 'libjemalloc.so.2');

  test('no library is installed', async (t) => {
    const {
      own,
      child: inner,
      warning,
      stderr,
      starts,
    } = await startCopy(t, (folder) => fs.rmSync(library(folder)));
    assertWarning(
      warning,
      /stays on glibc, without jemalloc: @heapgap\/linux-\w+-gnu is not installed/,
    );
    assert.deepEqual([own.name, inner.name, stderr, starts], ['glibc', 'glibc', '', 2]);
  });

  test('only the package of another libc is installed', async (t) => {
    const { own, warning } = await startCopy(t, (folder) => {
      const other = path.join(folder, 'node_modules', '@heapgap', `linux-${process.arch}-musl`);
      fs.mkdirSync(other, { recursive: true });
      fs.writeFileSync(path.join(other, 'package.json'), '{}');
      fs.renameSync(library(folder), path.join(other, 'libjemalloc.so.2'));
    });
    assertWarning(warning, /@heapgap\/linux-\w+-gnu is not installed/);
    assert.equal(own.LD_PRELOAD, undefined);
  });

  test('no addon is installed', async (t) => {
    const { own, warning, starts } = await startCopy(t, (folder) => {
      for (const file of fs.readdirSync(folder).filter((name) => name.endsWith('.node'))) {
        fs.rmSync(path.join(folder, file));
      }
    });
    assertWarning(warning, /no native addon for linux-/);
    assert.deepEqual([own.name, starts], ['unknown', 2]);
  });

  test('a processor that heapgap has nothing for', async (t) => {
    const other = path.join(temporary(t), 'arch.js');
    fs.writeFileSync(other, "Object.defineProperty(process, 'arch', { value: 's390x' })");
    const { own, warning } = await startCopy(t, () => {}, { before: ['-r', other] });
    assertWarning(warning, /no native addon for linux-s390x/);
    assert.equal(own.name, 'unknown');
  });

  test('a library that the dynamic linker refuses: it is found out beforehand, and in no child', async (t) => {
    const {
      own,
      child: inner,
      warning,
      stderr,
      starts,
    } = await startCopy(t, (folder) => fs.writeFileSync(library(folder), 'not a library'));
    assertWarning(warning, /ld\.so: object '.*libjemalloc\.so\.2' from LD_PRELOAD cannot be/);
    assert.deepEqual([own.name, own.LD_PRELOAD], ['glibc', undefined]);
    assert.deepEqual([inner.name, inner.LD_PRELOAD, stderr], ['glibc', undefined, '']);
    assert.equal(starts, 1 + 1);
  });

  test('options of jemalloc with which it ends the process', async (t) => {
    const env = { MALLOC_CONF: 'abort_conf:true,nonsense:1' };
    const { own, warning } = await startCopy(t, () => {}, { env });
    assertWarning(warning, /node does not start with it \(SIGABRT\): <jemalloc>: Invalid conf/);
    assert.equal(own.name, 'glibc');
  });

  describe('where nothing can be tried beforehand', () => {
    /** In a program that would take `--version` for an argument of its own. */
    const start = async (t, { preloads = 1, script = REPORT, first = [] } = {}) => {
      const other = path.join(temporary(t), 'other.js');
      fs.writeFileSync(
        other,
        "Object.defineProperty(process.versions, 'electron', { value: '40' })",
      );
      const copies = Array.from({ length: preloads }, () => copyPackage(t, { addon: true }));
      for (const folder of copies) fs.writeFileSync(library(folder), 'not a library');
      const starts = counter(t);
      const modules = copies.flatMap((folder) => ['-r', path.join(folder, 'lib', 'preload.js')]);
      const env = starts.environment({ LD_PRELOAD: '/nowhere/other.so' });
      const args = ['-r', other, ...first, ...modules, script];
      const ended = await node(args, { env, timeout: 20_000 });
      return { seen: parse(ended), stderr: ended.stderr, starts: starts.count() };
    };

    test('it starts anew once, and gives back the LD_PRELOAD that it found', async (t) => {
      const { seen, stderr, starts } = await start(t);
      assertWarning(stderr, /has started anew with .*, which does not serve malloc/);
      assert.deepEqual([seen.name, starts], ['glibc', 2]);
      assert.equal(seen.env.LD_PRELOAD, '/nowhere/other.so');
      assert.equal(seen.env.HEAPGAP_PRELOAD, '0');
    });

    test('two copies of heapgap do not start each other', async (t) => {
      const { seen, starts } = await start(t, { preloads: 2 });
      assert.deepEqual([seen.name, starts], ['glibc', 2]);
    });

    test('nor does a module before it that clears the environment bring it to a loop', async (t) => {
      const file = path.join(temporary(t), 'clear.js');
      const code =
        'for (const name of Object.keys(process.env)) if (!/HG_/.test(name)) delete process.env[name]';
      fs.writeFileSync(file, code);
      const { seen, starts } = await start(t, { first: ['-r', file] });
      assert.deepEqual([seen.name, starts], ['glibc', 2]);
    });
  });

  test('an executable that runs with the rights of another user', async (t) => {
    const folder = temporary(t);
    fs.chmodSync(folder, 0o755);
    const executable = path.join(folder, 'node');
    fs.copyFileSync(process.execPath, executable);
    fs.chmodSync(executable, 0o4755);
    const copy = copyPackage(t, { addon: true });
    const code = "console.log(require('./index.js').allocator().name)";
    const args = ['-r', path.join(copy, 'lib', 'preload.js'), '-e', code];
    const ended = await finished(executable, args, { cwd: copy, uid: 65534, gid: 65534 });
    assertWarning(ended.stderr, /cannot start anew: .*set-user-ID/);
    assert.equal(ended.stdout, 'glibc\n');
  });

  test('execve fails: descriptors and standard input are as they were', async (t) => {
    const folder = temporary(t);
    const executable = path.join(folder, 'node');
    fs.copyFileSync(process.execPath, executable);
    fs.chmodSync(executable, 0o755);
    const code = `
      const fs = require('node:fs');
      const flags = () => [0, 1, 2].map((fd) => fs.readFileSync('/proc/self/fdinfo/' + fd, 'utf8').match(/flags:.*/)[0]);
      fs.chmodSync(process.execPath, 0o644);
      const before = flags();
      require(${JSON.stringify(PRELOAD)});
      const { name } = require(${JSON.stringify(ROOT)}).allocator();
      console.log(JSON.stringify({ name, before, after: flags(), input: fs.readlinkSync('/proc/self/fd/0') }))`;
    for (const [args, stdin] of [
      [['-e', code], 'true'],
      [[], 'printf %s "$0"'],
    ]) {
      fs.chmodSync(executable, 0o755);
      const shell = ['-c', `${stdin} | exec "$@"`, code, executable, ...args];
      const ended = await finished('sh', shell);
      assertWarning(ended.stderr, /cannot start anew: Permission denied/);
      const { name, before: flags, after, input } = parse(ended);
      assert.equal(name, 'glibc');
      assert.deepEqual(after, flags);
      assert.match(input, /^pipe:/);
    }
  });

  test('under AddressSanitizer, which must come first', async (t) => {
    const asan = execFileSync('gcc', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
    if (!path.isAbsolute(asan)) {
      if (process.env.CI) throw new Error('gcc has no libasan.so');
      return t.skip('gcc has no libasan.so');
    }
    const env = { LD_PRELOAD: fs.realpathSync(asan), ASAN_OPTIONS: 'detect_leaks=0' };
    const ended = await node(['-r', 'heapgap/preload', REPORT], { env });
    assertWarning(ended.stderr, /stays on asan, without jemalloc: AddressSanitizer/);
    assert.equal(parse(ended).name, 'asan');
  });

  test('under a permission model that allows no addons', async () => {
    const args = ['--permission', '--allow-fs-read=*', '-r', PRELOAD, '-p', '42'];
    const { stdout, stderr } = await node(args, { major: 24 });
    assert.equal(stdout, '42\n');
    assertWarning(stderr, /the native addon for .* does not load/);
  });

  for (const [kind, resource] of [
    ['tcp', 'TCPServerWrap'],
    ['udp', 'UDPWrap'],
    ['process', 'ProcessWrap'],
    ['connection', 'TCPSocketWrap'],
  ]) {
    test(`it has begun to work: ${kind}`, async () => {
      const ended = await node([child('late.js'), kind]);
      assertWarning(
        ended.stderr,
        new RegExp(`at work already \\(.*${resource}.*before anything else`),
      );
      assert.deepEqual(parse(ended), { name: 'glibc', text: 'served' });
    });
  }

  test('a message of the parent was received already, and is not lost', async () => {
    for (const name of ['task.js', 'echo.mjs']) {
      const forked = fork(child(name), {
        ...LIMIT,
        env: environment(),
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      });
      const said = forked.stderr.setEncoding('utf8').toArray();
      const ended = once(forked, 'exit');
      forked.send('early');
      const [answer] = await Promise.race([once(forked, 'message'), ended]);
      assert.equal(answer[1], 'early', name);
      const text = (await said).join('');
      // Whether the message comes before an ES module is loaded is for the two processes to race for.
      if (name === 'task.js') assert.equal(answer[0], 'glibc');
      if (answer[0] === 'glibc') assertWarning(text, /has received messages/);
      assert.deepEqual(await ended, [0, null]);
    }
  });

  test('a parent whose channel cannot be found any more', async () => {
    const code = `
      const fs = require('node:fs');
      const { readFileSync } = fs;
      require(${JSON.stringify(PRELOAD)});
      process.send(require(${JSON.stringify(ROOT)}).allocator().name, () => process.disconnect());`;
    // The kernel keeps /proc/<pid>/environ from all but root where the executable may not be read.
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-'));
    const executable = path.join(folder, 'node');
    try {
      fs.chmodSync(folder, 0o755);
      fs.copyFileSync(process.execPath, executable);
      fs.chmodSync(executable, 0o711);
      const forked = spawn(executable, ['-e', code.replace(/.*readFileSync.*\n/, '')], {
        ...LIMIT,
        uid: 65534,
        env: environment(),
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      });
      const said = forked.stderr.setEncoding('utf8').toArray();
      const [name] = await Promise.race([once(forked, 'message'), once(forked, 'exit')]);
      const text = (await said).join('');
      assert.equal(name, 'glibc', text);
      assertWarning(text, /channel to its parent cannot be read/);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });

  test('the working directory has changed', async (t) => {
    const folder = temporary(t);
    const code = `process.chdir('/'); require(${JSON.stringify(PRELOAD)}); require(${JSON.stringify(REPORT)});`;
    fs.writeFileSync(path.join(folder, 'service.js'), code);
    const moved = await node(['service.js'], { cwd: folder });
    assertWarning(moved.stderr, /the working directory has changed/);
    assert.equal(parse(moved).name, 'glibc');
    const absolute = await node([path.join(folder, 'service.js')], { cwd: folder });
    assert.deepEqual([parse(absolute).name, absolute.stderr], ['jemalloc', '']);
  });

  test('through the dynamic linker, with a title over its arguments', async () => {
    const name = { x64: 'ld-linux-x86-64.so.2', arm64: 'ld-linux-aarch64.so.1' }[process.arch];
    const linker = execFileSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' });
    const ended = await finished(linker.trim(), [
      process.execPath,
      '--title=x',
      '-r',
      PRELOAD,
      REPORT,
    ]);
    assertWarning(ended.stderr, /started through the dynamic linker/);
    assert.equal(parse(ended).name, 'glibc');
    const untitled = await finished(linker.trim(), [process.execPath, '-r', PRELOAD, REPORT]);
    assert.equal(parse(untitled).name, 'jemalloc');
  });

  for (const option of ['-brk', '_brk', '-wait']) {
    test(`a debugger has been waited for, --inspect${option}`, async (t) => {
      const code = "console.log(require('heapgap').allocator().name)";
      const args = ['-r', 'heapgap/preload', '-e', code];
      const env = environment({ NODE_OPTIONS: `--inspect${option}=127.0.0.1:0` });
      const started = spawn(binary(22), args, { ...LIMIT, cwd: ROOT, env });
      t.after(() => started.kill('SIGKILL'));
      const printed = once(started.stdout.setEncoding('utf8'), 'data');
      let said = '';
      for await (const text of started.stderr.setEncoding('utf8')) {
        said += text;
        const urls = said.match(/ws:\S+(?=\n)/g) ?? [];
        if (urls.length === 1 && text.includes('ws:')) t.after(startDebugger(urls[0]));
        // A second address: it has started anew, and would wait for ever.
        if (urls.length > 1 || said.includes('HeapgapWarning')) break;
      }
      assertWarning(said, /would lose the debugger/);
      assert.deepEqual(await printed, ['glibc\n']);
    });
  }

  test('HEAPGAP_PRELOAD is neither 0 nor 1', async () => {
    const ended = await node(['-r', 'heapgap/preload', REPORT], {
      env: { HEAPGAP_PRELOAD: 'false' },
    });
    assertWarning(ended.stderr, /expected HEAPGAP_PRELOAD to be 0 or 1, got "false"/);
    assert.equal(parse(ended).name, 'glibc');
  });
});
