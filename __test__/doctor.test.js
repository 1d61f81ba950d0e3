'use strict';
// Every fault is made for real and found through the command line; a healthy service is left alone.

const assert = require('node:assert/strict');
const { execFileSync, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { describe, test } = require('node:test');
const { JEMALLOCS, LIBRARIES, preload } = require('./support/allocators.js');
const { inCgroup, makeCgroup } = require('./support/cgroup.js');
const { environment, finished } = require('./support/child.js');
const { BIN, NODE, WAIT, doctor, examined, started } = require('./support/doctor.js');
const faulty = require('./support/faulty.js');

const { SHIPPED } = faulty;

/** The three ways to look at a Node.js process that has `env`. */
const MODES = {
  environment: (_t, env, options) => examined([], { env, ...options }),
  process: async (t, env, options) =>
    examined(['--pid', String(await started(t, [NODE, '-e', WAIT], env, options))]),
  command: (_t, env, options) => {
    const pairs = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    return examined(['--', 'env', ...pairs, NODE, '-e', '0'], options);
  },
};

/** In order on any machine: one with huge pages everywhere must not be found in each test. */
const QUIET = ',thp:never';
const conf = (pairs) => `background_thread:true${QUIET}${pairs && `,${pairs}`}`;
const underJemalloc = (pairs = '') => ({ LD_PRELOAD: SHIPPED, MALLOC_CONF: conf(pairs) });

/** Each: its code, the environment that has it, and what the summary says. */
const FAULTS = [
  {
    name: 'a missing file',
    code: 'preload-missing',
    env: () => ({ LD_PRELOAD: '/usr/lib/nowhere/libjemalloc.so.2' }),
    summary: /names \/usr\/lib\/nowhere\/libjemalloc\.so\.2, which does not exist; glibc serves/,
    lines: /^ENV LD_PRELOAD=\/usr\/lib\//,
  },
  {
    name: 'a name that the linker does not find',
    code: 'preload-missing',
    env: () => ({ LD_PRELOAD: 'libjemalloc-of-nowhere.so' }),
    summary: /names libjemalloc-of-nowhere\.so, which does not exist/,
  },
  {
    name: 'a library of another architecture',
    code: 'preload-wrong-architecture',
    env: (t) => ({ LD_PRELOAD: faulty.otherArchitecture(t) }),
    summary: /built for (arm64|x64), and the program for (x64|arm64); glibc serves/,
  },
  {
    name: 'a text file',
    code: 'preload-not-a-library',
    env: (t) => ({ LD_PRELOAD: faulty.textFile(t) }),
    summary: /not a shared library/,
  },
  {
    name: 'a folder',
    code: 'preload-not-a-library',
    env: () => ({ LD_PRELOAD: os.tmpdir() }),
    summary: /not a shared library/,
  },
  {
    name: 'a program',
    code: 'preload-not-a-library',
    env: () => ({ LD_PRELOAD: '/usr/bin/env' }),
    summary: /not a shared library/,
  },
  {
    name: 'a library for musl that loads',
    code: 'preload-wrong-libc',
    env: (t) => ({ LD_PRELOAD: faulty.linkedToMusl(t, { loadable: true }) }),
    summary: /linked against musl, and the program runs on glibc/,
  },
  {
    name: 'a path with a space',
    code: 'preload-path',
    env: (t) => ({ LD_PRELOAD: faulty.spacedPath(t) }),
    summary: /my app.*separated by spaces/,
  },
  {
    name: 'a library without malloc',
    code: 'not-live',
    env: (t) => ({ LD_PRELOAD: faulty.withoutMalloc(t) }),
    summary: /but glibc serves malloc: .* exports no malloc/,
  },
  {
    name: 'options without an allocator',
    code: 'not-live',
    env: () => ({ MALLOC_CONF: conf('narenas:4') }),
    summary: /MALLOC_CONF is set, but glibc serves malloc/,
  },
  {
    name: 'a misspelt option',
    code: 'conf-unknown',
    env: () => underJemalloc('narena:4'),
    summary: /has narena:4, and this jemalloc has no option narena; did you mean narenas\?/,
    lines: /^ENV MALLOC_CONF=.*,narenas:4$/,
  },
  {
    name: 'an option of jemalloc 4',
    code: 'conf-unknown',
    env: () => underJemalloc('decay_time:10'),
    summary: /did you mean dirty_decay_ms\?/,
  },
  {
    name: 'a value out of range',
    code: 'conf-invalid',
    env: () => underJemalloc('narenas:0'),
    summary: /narenas:0: 0 is out of range; \d+ is in force/,
  },
  {
    name: 'a value that is none',
    code: 'conf-invalid',
    env: () => underJemalloc('dirty_decay_ms:10s'),
    summary: /10s is not a value of this option; 10000 is in force/,
  },
  {
    name: 'a value that is clipped in silence',
    code: 'conf-ignored',
    env: () => underJemalloc('tcache_max:99999999999'),
    summary: /but tcache_max is \d+/,
  },
  {
    name: 'an option set twice',
    code: 'conf-repeated',
    env: () => underJemalloc('narenas:2,narenas:3'),
    summary: /sets narenas more than once; the last one wins: 3/,
  },
  {
    name: 'options separated by a space',
    code: 'conf-malformed',
    env: () => underJemalloc(' narenas:2,dirty_decay_ms:5000'),
    summary: /reads no further/,
  },
  {
    name: 'an option without a value',
    code: 'conf-malformed',
    env: () => underJemalloc('narenas'),
    summary: /ends with the key narenas/,
  },
  {
    name: 'far too many arenas',
    code: 'narenas-high',
    env: () => underJemalloc('narenas:2000'),
    summary: /room for 2000 arenas, and the container has \d+ CPU/,
  },
  {
    name: 'no background threads',
    code: 'background-thread-off',
    env: () => ({ LD_PRELOAD: SHIPPED, MALLOC_CONF: `background_thread:false${QUIET}` }),
    summary: /background threads are off/,
    lines: /^ENV MALLOC_CONF=.*background_thread:true/,
  },
  {
    name: 'no decay',
    code: 'decay-disabled',
    env: () => underJemalloc('dirty_decay_ms:-1'),
    summary: /dirty_decay_ms is -1/,
  },
];

for (const [mode, look] of Object.entries(MODES)) {
  describe(`${mode}: found by its code`, { concurrency: 2 }, () => {
    for (const { name, code, env, summary, lines } of FAULTS) {
      test(`${code}: ${name}`, async (t) => {
        const report = await look(t, env(t));
        const found = report.findings.filter((finding) => finding.code === code);
        assert.equal(found.length, 1, JSON.stringify(report.findings, null, 1));
        assert.match(found[0].summary, summary);
        assert.ok(found[0].evidence.length > 0);
        const applying = found[0].fix.filter(({ applies }) => applies);
        assert.equal(applying.length, 1, 'one fix for this platform');
        if (lines) assert.ok(applying[0].lines.some((line) => lines.test(line)));
        assert.equal(report.status, 1);
        assert.equal(report.healthy, false);
      });
    }

    test('preload-path: a relative path', async (t) => {
      const options = { cwd: path.dirname(SHIPPED) };
      const env = { LD_PRELOAD: './libjemalloc.so.2', MALLOC_CONF: conf('') };
      const { findings } = await look(t, env, options);
      assert.deepEqual(
        findings.map(({ code }) => code),
        ['preload-path'],
      );
      assert.deepEqual(findings[0].fix[0].lines, [`ENV LD_PRELOAD=${SHIPPED}`]);
    });

    test('two-allocators: mimalloc before jemalloc', async (t) => {
      const libraries = preload(t, 'mimalloc', 'jemalloc 5.3.1');
      if (libraries === null) return;
      const { findings, processes } = await look(t, { LD_PRELOAD: libraries });
      assert.deepEqual(
        findings.map(({ code }) => code),
        ['two-allocators'],
      );
      assert.match(findings[0].summary, /mimalloc\S* serves malloc/);
      assert.equal(processes[0].allocator.name, 'mimalloc');
    });

    test('healthy: nothing is found', async (t) => {
      const report = await look(t, underJemalloc('narenas:2,dirty_decay_ms:0x1388'));
      assert.deepEqual(report.findings, []);
      assert.deepEqual([report.status, report.healthy], [0, true]);
      assert.equal(report.processes[0].allocator.name, 'jemalloc');
    });

    test('healthy: every option that jemalloc cannot be asked for', async (t) => {
      const pairs = 'bin_shards:1-128:2,lg_tcache_max:14,slab_sizes:1-4096:4,hpa_dirty_mult:0.3';
      const { findings } = await look(t, underJemalloc(pairs));
      assert.deepEqual(findings, []);
    });

    test('nothing was tried: a remark, and status 0', async (t) => {
      const report = await look(t, {});
      assert.deepEqual(
        report.findings.map(({ code, severity }) => [code, severity]),
        [['libc-serves', 'info']],
      );
      assert.deepEqual([report.status, report.healthy], [0, true]);
    });
  });
}

const CONF_LINE = /^ENV MALLOC_CONF=(.*)$/;

/** The fix lines of a report's findings that apply here, each once. */
const linesOf = ({ findings }) => [
  ...new Set(
    findings.flatMap(({ fix }) =>
      fix.filter(({ applies }) => applies).flatMap(({ lines }) => lines),
    ),
  ),
];

for (const pairs of [
  'narenas=2,background_thread:true',
  'background_thread:true; narenas:2 ;',
  'background_thread:true narenas:2',
  'background_thread:true, narenas : 2,',
]) {
  test(`the mended line keeps the other pairs: ${pairs}`, async () => {
    const env = (MALLOC_CONF) => ({ LD_PRELOAD: SHIPPED, MALLOC_CONF });
    const ill = await examined([], { env: env(`thp:never,${pairs}`) });
    assert.ok(ill.findings.length > 0);
    const [line] = linesOf(ill);
    const [, mended] = CONF_LINE.exec(line);
    const names = mended.split(',').sort();
    assert.deepEqual(names, ['background_thread:true', 'narenas:2', 'thp:never'], line);
    assert.deepEqual((await examined([], { env: env(mended) })).findings, []);
  });
}

test("a second jemalloc's complaints, and confirm_conf, are not of the one that serves", async (t) => {
  const libraries = preload(t, 'jemalloc 5.3.1', 'jemalloc 5.3.0');
  if (libraries === null) return;
  const pairs = conf('cache_oblivious:false,tcache_ncached_max:1-8:2');
  const env = { LD_PRELOAD: libraries, MALLOC_CONF: pairs };
  const { findings } = await examined([], { env });
  assert.deepEqual(
    findings.map(({ code }) => code),
    ['two-allocators'],
  );
  const clipped = underJemalloc('confirm_conf:true,tcache_max:99999999999');
  const confirmed = await examined([], { env: clipped });
  assert.deepEqual(
    confirmed.findings.map(({ code }) => code),
    ['conf-ignored'],
  );
});

test('with the line that doctor says, nothing is found any more', async () => {
  const MALLOC_CONF = `narena:4,narenas:0,dirty_decay_ms:-1,metadata_thp:on,narenas:2000,junk:1${QUIET}`;
  const ill = await examined([], { env: { LD_PRELOAD: SHIPPED, MALLOC_CONF } });
  assert.ok(ill.findings.length >= 6);
  const lines = new Set(ill.findings.flatMap(({ fix }) => fix[0].lines));
  assert.equal(lines.size, 1);
  const mended = /^ENV MALLOC_CONF=(.*)$/.exec([...lines][0])[1];
  const healthy = await examined([], { env: { LD_PRELOAD: SHIPPED, MALLOC_CONF: mended } });
  assert.deepEqual(healthy.findings, [], mended);
});

const RUN = [NODE, BIN, 'run', '--'];

/** A library that is no allocator, by the name that the linker finds it by. */
const OTHER = 'libm.so.6';

describe('LD_PRELOAD mended: the bad entry goes, what else there is stays', {
  concurrency: 2,
}, () => {
  const FILES = {
    missing: () => '/usr/lib/nowhere/libjemalloc.so.2',
    'of another architecture': faulty.otherArchitecture,
    'a text file': faulty.textFile,
    'for musl': (t) => faulty.linkedToMusl(t, { loadable: true }),
    'in a folder with a space': faulty.spacedPath,
    'without malloc': faulty.withoutMalloc,
  };
  for (const [name, make] of Object.entries(FILES)) {
    test(name, async (t) => {
      const env = { LD_PRELOAD: `${make(t)}:${OTHER}`, MALLOC_CONF: conf('') };
      const ill = await examined([], { env });
      assert.equal(ill.findings[0].severity, 'error');
      const lines = linesOf(ill);
      assert.equal(lines[0], `ENV LD_PRELOAD=${OTHER}`);
      assert.match(lines.at(-1), new RegExp(`^ENV LD_PRELOAD=/usr/lib/.*:${OTHER}$`));
      const mended = { ...env, LD_PRELOAD: OTHER };
      const words = [BIN, 'run', '--', NODE, BIN, 'doctor', '--json'];
      const { stdout } = await finished(NODE, words, { env: mended });
      assert.deepEqual(JSON.parse(stdout).findings, []);
    });
  }

  test('no allocator, beside a jemalloc that serves: a warning, and nothing to install', async () => {
    const env = underJemalloc();
    const LD_PRELOAD = `${SHIPPED}:/opt/nowhere/libapm.so:${OTHER}`;
    const ill = await examined([], { env: { ...env, LD_PRELOAD } });
    const [{ severity }] = ill.findings;
    const mended = `${SHIPPED}:${OTHER}`;
    assert.equal(severity, 'warning');
    assert.deepEqual(linesOf(ill), [
      `ENV LD_PRELOAD=${mended}`,
      '# or install what is named: /opt/nowhere/libapm.so',
    ]);
    const healthy = await examined([], { env: { ...env, LD_PRELOAD: mended } });
    assert.deepEqual(healthy.findings, []);
  });

  test('two allocators: the one that is meant stays', async (t) => {
    const libraries = preload(t, 'mimalloc', 'jemalloc 5.3.1');
    if (libraries === null) return;
    const LD_PRELOAD = `${libraries}:${OTHER}`;
    for (const [pairs, kept] of [
      [{}, LIBRARIES.mimalloc],
      [{ MALLOC_CONF: conf('') }, SHIPPED],
    ]) {
      const lines = linesOf(await examined([], { env: { ...pairs, LD_PRELOAD } }));
      const mended = `${kept}:${OTHER}`;
      assert.ok(lines.includes(`ENV LD_PRELOAD=${mended}`), `${lines}`);
      const healthy = await examined([], { env: { ...pairs, LD_PRELOAD: mended } });
      assert.deepEqual(healthy.findings, []);
    }
  });
});

describe('a service under heapgap run', () => {
  for (const name of ['environment', 'command']) {
    test(`${name}: one line, status 0`, async () => {
      const command = name === 'command' ? ['--', NODE, '-e', '0'] : [];
      const words = [BIN, 'run', '--', NODE, BIN, 'doctor', ...command];
      const { code, stdout, stderr } = await finished(NODE, words);
      assert.equal(code, 0, stdout + stderr);
      assert.match(
        stdout,
        /^healthy: jemalloc 5\.3\.1 serves malloc in process \d+ \(\S+\) \(.*\)\n$/,
      );
    });
  }

  test('process: one line, status 0', async (t) => {
    const pid = await started(t, [...RUN, NODE, '-e', WAIT]);
    const { code, stdout } = await doctor(['--pid', String(pid)]);
    assert.equal(code, 0, stdout);
    assert.match(
      stdout,
      /^healthy: jemalloc serves malloc in process \d+ .*first in LD_PRELOAD\)\n$/,
    );
  });

  test('started by the command itself, behind a shell', async () => {
    const { status, findings } = await examined([
      '--',
      'sh',
      '-c',
      '"$@"; :',
      'sh',
      ...RUN,
      NODE,
      '-e',
      '0',
    ]);
    assert.deepEqual([status, findings], [0, []]);
  });
});

describe('lost between parent and worker', { concurrency: 2 }, () => {
  const worker = [NODE, '-e', WAIT];
  const LOST = /^LD_PRELOAD of .* is lost on the way to \S+; glibc serves malloc there$/;

  async function assertLost(args, options) {
    const { status, findings } = await examined(args, options);
    const found = findings.filter(({ code }) => code === 'environment-lost');
    assert.equal(found.length, 1, JSON.stringify(findings));
    assert.match(found[0].summary, LOST);
    assert.ok(!findings.some(({ code }) => code === 'not-live'), 'the cause is named already');
    assert.equal(status, 1);
  }

  for (const wrapper of [
    ['env', '-u', 'LD_PRELOAD'],
    ['env', '-i'],
  ]) {
    test(`${wrapper.join(' ')} before the command`, async () => {
      await assertLost(['--', ...wrapper, ...worker], { env: underJemalloc() });
    });
  }

  test('a worker that its parent starts with an environment of its own', async (t) => {
    const parent = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(WAIT)}],
      { env: {}, stdio: ['ignore', 'inherit', 'ignore'] })`;
    await assertLost(['--', NODE, '-e', parent], { env: underJemalloc() });
    // The worker prints; its parent is the group's leader, and both end with it.
    const pid = await started(t, [NODE, '-e', parent], underJemalloc(), { detached: true });
    t.after(() => process.kill(-pid, 'SIGKILL'));
    await assertLost(['--pid', String(pid)]);
  });

  test('MALLOC_CONF alone', async () => {
    const { findings } = await examined(['--', 'env', '-u', 'MALLOC_CONF', NODE, '-e', '0'], {
      env: underJemalloc(),
    });
    assert.ok(findings.some(({ summary }) => /^MALLOC_CONF of .* is lost/.test(summary)));
  });
});

test('preload-wrong-libc: a library for musl that ends the command before it starts', async (t) => {
  const library = faulty.linkedToMusl(t, { loadable: false });
  const { status, findings } = await examined([
    '--',
    'env',
    `LD_PRELOAD=${library}`,
    NODE,
    '-e',
    '0',
  ]);
  assert.deepEqual(
    findings.map(({ code }) => code),
    ['preload-wrong-libc'],
  );
  assert.match(findings[0].evidence[0].value, /libc\.musl-x86_64\.so\.1/);
  assert.equal(status, 1);
});

test('preload-wrong-libc: a library for glibc in a program that runs on musl', async (t) => {
  const program = faulty.muslProgram(t);
  const child = spawn(program, { env: { LD_PRELOAD: SHIPPED }, stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  const { findings } = await examined(['--pid', String(child.pid)]);
  const found = findings.find(({ code }) => code === 'preload-wrong-libc');
  assert.match(found.summary, /linked against glibc, and the program runs on musl/);
});

/** A copy of the package in a folder whose name has all that can be wrong. */
function copyPackage(t, { addon }) {
  const folder = path.join(faulty.makeFolder(t), 'my "app" \\ here');
  const root = path.join(__dirname, '..');
  const built = fs.readdirSync(root).filter((file) => addon && file.endsWith('.node'));
  for (const part of ['bin', 'lib', 'package.json', ...built]) {
    fs.cpSync(path.join(root, part), path.join(folder, part), { recursive: true });
  }
  return path.join(folder, 'bin', 'heapgap.js');
}

test('addon-missing: what is said then, is said by /proc', async (t) => {
  const words = [copyPackage(t, { addon: false }), 'doctor', '--json', '--', NODE, '-e', WAIT];
  const { code, stdout } = await finished(NODE, words, { env: underJemalloc() });
  const { findings, processes } = JSON.parse(stdout);
  assert.deepEqual(
    findings.map((finding) => finding.code),
    ['addon-missing'],
  );
  assert.match(findings[0].summary, /no native addon for linux-/);
  assert.deepEqual(
    [processes[0].allocator.name, processes[0].allocator.proof],
    ['jemalloc', 'maps'],
  );
  assert.equal(code, 1);
});

test('the probe is required from a folder with spaces, quotes and backslashes', async (t) => {
  const words = [copyPackage(t, { addon: true }), 'doctor', '--json', '--', NODE, '-e', '0'];
  const { stdout, stderr } = await finished(NODE, words);
  const { processes } = JSON.parse(stdout || stderr);
  assert.equal(processes[0].allocator.proof, 'probe');
});

test('preload-unreadable: a file that the user of the service may not read', async (t) => {
  if (process.getuid() !== 0) return faulty.lacks(t, 'root, for setpriv');
  const folder = faulty.makeFolder(t);
  const library = path.join(folder, 'libjemalloc.so.2');
  fs.copyFileSync(SHIPPED, library);
  fs.chmodSync(library, 0o600);
  fs.chmodSync(folder, 0o755);
  const user = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
  const words = [...user, 'env', `LD_PRELOAD=${library}`, NODE, BIN, 'doctor', '--json'];
  const { code, stdout } = await finished('setpriv', words);
  const { findings } = JSON.parse(stdout);
  assert.deepEqual(
    findings.map((finding) => finding.code),
    ['preload-unreadable'],
  );
  assert.match(findings[0].summary, /which cannot be read; glibc serves malloc$/);
  assert.equal(code, 1);
});

test('another platform, faked: a remark, and status 0', async () => {
  const script = path.join(__dirname, 'children', 'elsewhere.js');
  const { code, stdout, stderr } = await finished(NODE, [script, 'darwin', BIN, 'doctor']);
  assert.equal(code, 0, stderr);
  assert.match(
    stdout,
    /^1 remark: no allocator was seen\n[\s\S]*addon-missing\n.*no native addon for darwin/,
  );
});

test('secure-execution: Node.js with a file capability', async (t) => {
  const node = faulty.capableNode(t);
  if (node === null) return;
  const other = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
  // Set behind setpriv, which aborts when it finds itself with a thread of jemalloc's.
  const pairs = Object.entries(underJemalloc()).map(([name, value]) => `${name}=${value}`);
  const { findings } = await examined(['--', ...other, 'env', ...pairs, node, '-e', WAIT]);
  const found = findings.find(({ code }) => code === 'secure-execution');
  assert.match(found.summary, /the linker ignores LD_PRELOAD; glibc serves malloc/);
  assert.ok(found.fix[0].lines.includes(`RUN setcap -r ${node}`));
});

test('secure-execution: set-user-ID, which chmod takes away', async (t) => {
  const node = faulty.setUserIdNode(t);
  if (node === null) return;
  const other = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
  const pairs = Object.entries(underJemalloc()).map(([name, value]) => `${name}=${value}`);
  const command = ['--', ...other, 'env', ...pairs, node, '-e', WAIT];
  const ill = await examined(command);
  const found = ill.findings.find(({ code }) => code === 'secure-execution');
  const line = found.fix[0].lines.find((each) => each.startsWith('RUN chmod'));
  execFileSync('/bin/sh', ['-c', line.replace('RUN ', '')]);
  assert.deepEqual((await examined(command)).findings, []);
});

test('heap-headroom: a heap larger than the container', async (t) => {
  const cgroup = makeCgroup(t, 512 * 2 ** 20);
  if (cgroup === null) return;
  const run = (flags) =>
    finished(
      '/bin/sh',
      inCgroup(cgroup, [NODE, BIN, 'doctor', '--json', '--', NODE, ...flags, '-e', '0']),
      {
        env: underJemalloc(),
      },
    );
  const large = await run(['--max-old-space-size=500']);
  const { findings } = JSON.parse(large.stdout);
  assert.deepEqual(
    findings.map(({ code }) => code),
    ['heap-headroom'],
  );
  assert.match(findings[0].evidence[0].value, /--max-old-space-size=500/);
  const advised = /--max-old-space-size=\d+/.exec(findings[0].fix[0].lines[0])[0];
  const fitting = await run([advised]);
  assert.deepEqual(JSON.parse(fitting.stdout).findings, [], `with the advised ${advised}`);
});

test('heap-headroom: the line keeps what else is in NODE_OPTIONS', async (t) => {
  const cgroup = makeCgroup(t, 512 * 2 ** 20);
  if (cgroup === null) return;
  const folder = path.join(faulty.makeFolder(t), 'my app');
  fs.mkdirSync(folder);
  const own = `--require "${folder}/a.js"`;
  fs.writeFileSync(path.join(folder, 'a.js'), '');
  const run = async (line) => {
    // What Docker makes of such a line, a shell makes of it too.
    const script = `export ${line.replace('ENV ', '')} && exec "$@"`;
    const words = ['sh', '-c', script, 'sh', NODE, BIN, 'doctor', '--json'];
    const env = underJemalloc();
    const { stdout, stderr } = await finished('/bin/sh', inCgroup(cgroup, words), { env });
    assert.notEqual(stdout, '', stderr);
    return JSON.parse(stdout).findings;
  };
  const [{ code, fix }] = await run(`NODE_OPTIONS='${own} --max-old-space-size=500'`);
  assert.equal(code, 'heap-headroom');
  const [line] = fix[0].lines;
  assert.equal(line, `ENV NODE_OPTIONS='${own} --max-old-space-size=364'`);
  assert.deepEqual(await run(line), []);
});

test('heap-headroom: a cluster whose workers fit one by one', async (t) => {
  const cgroup = makeCgroup(t, 1024 * 2 ** 20);
  if (cgroup === null) return;
  const script = path.join(faulty.makeFolder(t), 'server.js');
  const cluster = `
    const cluster = require('node:cluster');
    if (cluster.isPrimary) for (let i = 0; i < 3; i += 1) cluster.fork();
    setInterval(() => {}, 9e4);`;
  fs.writeFileSync(script, cluster);
  const run = async (flag) => {
    const words = [NODE, BIN, 'doctor', '--json', '--', NODE, flag, script];
    const env = underJemalloc();
    const { stdout } = await finished('/bin/sh', inCgroup(cgroup, words), { env });
    return JSON.parse(stdout).findings;
  };
  const [finding, ...more] = await run('--max-old-space-size=200');
  assert.deepEqual([finding.code, finding.severity, more], ['heap-headroom', 'warning', []]);
  assert.match(finding.summary, /^in each of 4 processes V8 may grow/);
  const advised = /--max-old-space-size=\d+/.exec(finding.fix[0].lines[0])[0];
  assert.deepEqual(await run(advised), [], advised);
});

test('heap-headroom: npm in front of a service that fits', async (t) => {
  const cgroup = makeCgroup(t, 256 * 2 ** 20);
  if (cgroup === null) return;
  const cwd = faulty.makeFolder(t);
  const start = `${NODE} --max-old-space-size=130 server.js`;
  fs.writeFileSync(path.join(cwd, 'package.json'), JSON.stringify({ scripts: { start } }));
  fs.writeFileSync(path.join(cwd, 'server.js'), WAIT);
  const words = [NODE, BIN, 'doctor', '--json', '--', 'npm', 'start'];
  const { stdout, stderr } = await finished('/bin/sh', inCgroup(cgroup, words), {
    cwd,
    env: underJemalloc(),
  });
  const { findings, processes } = JSON.parse(stdout || stderr);
  assert.ok(processes.length >= 2, 'npm is a Node.js process too');
  assert.deepEqual(findings, []);
});

/** What is mounted in there, this namespace never sees, nor what removes the test's folder. */
const PRIVATE_MOUNTS = ['unshare', '--mount', '--propagation', 'private'];

function requireMounts(folder) {
  const [file, ...args] = [...PRIVATE_MOUNTS, 'mount', '--bind', folder, folder];
  execFileSync(file, args, { stdio: 'ignore' });
}

test('etc-malloc-conf: a link in the mount namespace of the process', async (t) => {
  const folder = faulty.makeFolder(t);
  const script = `
    cp -a /etc/ld.so.cache /etc/os-release "$0/" 2>/dev/null; ln -s narenas:3,dirty_decay_ms:-1 "$0/malloc.conf"
    mount --bind "$0" /etc && exec "$@"`;
  const inside = [...PRIVATE_MOUNTS, 'sh', '-c', script, folder];
  try {
    requireMounts(folder);
  } catch {
    return faulty.lacks(t, 'mount namespaces');
  }
  const pid = await started(t, [...inside, NODE, '-e', WAIT], underJemalloc('dirty_decay_ms:9000'));
  const { findings } = await examined(['--pid', String(pid)]);
  assert.deepEqual(
    findings.map(({ code }) => code),
    ['etc-malloc-conf'],
  );
  assert.match(findings[0].summary, /^\/etc\/malloc\.conf sets narenas:3, /);
});

test('a fault in /etc/malloc.conf is mended there', async (t) => {
  const folder = faulty.makeFolder(t);
  const script = `
    cp -a /etc/ld.so.cache /etc/os-release "$0/" 2>/dev/null; ln -sfn narena:3 "$0/malloc.conf"
    mount --bind "$0" /etc && eval "$1" && shift && exec "$@"`;
  const inside = [...PRIVATE_MOUNTS, 'sh', '-c', script, folder];
  try {
    requireMounts(folder);
  } catch {
    return faulty.lacks(t, 'mount namespaces');
  }
  const examinedAfter = async (line) => {
    const [file, ...args] = [...inside, line, NODE, BIN, 'doctor', '--json'];
    return JSON.parse((await finished(file, args, { env: underJemalloc() })).stdout);
  };
  const ill = await examinedAfter(':');
  const found = ill.findings.find(({ code }) => code === 'conf-unknown');
  assert.match(found.summary, /^\/etc\/malloc\.conf has narena:3, /);
  const [line] = found.fix[0].lines;
  assert.equal(line, "RUN ln -sfn 'narenas:3' /etc/malloc.conf");
  const { findings, processes } = await examinedAfter(line.replace('RUN ', ''));
  assert.equal(processes[0].options.narenas, 3);
  assert.deepEqual(
    findings.map(({ code }) => code),
    ['etc-malloc-conf'],
    'it is still there, and in force',
  );
  const [removal] = findings[0].fix[0].lines;
  assert.deepEqual((await examinedAfter(removal.replace('RUN ', ''))).findings, []);
});

test('files, and the distribution, are those of the root that the process has', async (t) => {
  const folder = faulty.makeFolder(t);
  const library = faulty.otherArchitecture(t);
  fs.writeFileSync(path.join(folder, 'os-release'), 'ID=alpine\n');
  fs.copyFileSync(library, path.join(folder, 'libjemalloc.so.2'));
  // Reached through an absolute link, which the kernel would follow to our own /etc.
  fs.symlinkSync('/etc/libjemalloc.so.2', path.join(folder, 'link.so'));
  const script = `
    mkdir "$0/root" && mount --bind / "$0/root" && mount --bind "$0" "$0/root/etc" &&
    exec chroot "$0/root" "$@"`;
  const inside = [...PRIVATE_MOUNTS, 'sh', '-c', script, folder];
  try {
    requireMounts(folder);
  } catch {
    return faulty.lacks(t, 'mount namespaces');
  }
  const command = [...inside, 'env', 'LD_PRELOAD=/etc/link.so', NODE, '-e', WAIT];
  const pid = await started(t, command, {});
  const { findings, host } = await examined(['--pid', String(pid)]);
  assert.equal(host.distribution, 'alpine');
  const [{ code, summary, fix }] = findings;
  assert.equal(code, 'preload-wrong-architecture');
  assert.match(summary, /^LD_PRELOAD names \/etc\/link\.so, which is built for/);
  const { lines } = fix.find(({ applies }) => applies);
  assert.ok(lines.includes('ENV LD_PRELOAD=/usr/lib/libjemalloc.so.2'));
});

describe('what doctor cannot look at: status 2', () => {
  const CASES = [
    [['--pid', '4194304'], /there is no process 4194304/],
    [['--pid', '0'], /expected `--pid` to be a positive number, got 0/],
    [['--pid'], /expected `--pid` to be a positive number, got nothing/],
    [['--pid', 'x\u001b[2Jy'], /got x\\u001b\[2Jy/],
    [['--timeout', '0', '--', 'true'], /expected `--timeout` to be a positive number/],
    [['--verbose'], /doctor has no option --verbose/],
    [['node', 'server.js'], /a command comes after --/],
    [['--'], /a command is expected after --/],
    [['--pid', '1', '--', 'true'], /either --pid or a command, not both/],
    [['--', 'no-such-command'], /cannot start no-such-command: ENOENT/],
    [['--', 'sh', '-c', 'echo broken >&2; exit 3'], /no Node\.js process was seen: .*3: broken/],
  ];
  for (const [args, message] of CASES) {
    test(JSON.stringify(args.join(' ')), async () => {
      const { code, stdout, stderr } = await doctor(args);
      assert.equal(code, 2, stdout);
      assert.equal(stdout, '');
      assert.match(stderr, message);
    });
  }

  test("another user's process", async (t) => {
    if (process.getuid() !== 0) return faulty.lacks(t, 'root, for setpriv');
    const pid = await started(t, [NODE, '-e', WAIT]);
    const args = ['--reuid', '65534', '--regid', '65534', '--clear-groups', NODE, BIN, 'doctor'];
    const { code, stderr } = await finished('setpriv', [...args, '--pid', String(pid)]);
    assert.equal(code, 2);
    assert.match(stderr, /takes the same user as process \d+, or root/);
  });
});

describe('the command is watched, and ended', () => {
  const isAlive = (pid) => {
    try {
      process.kill(pid, 0);
      return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch {
      return false;
    }
  };
  const leftovers = (folder) => fs.readdirSync(folder).filter((name) => !name.endsWith('.pids'));

  /** Ignores SIGTERM, has a child that does too, one in a session of its own, and a daemon. */
  const STUBBORN = `
    const { spawn } = require('node:child_process');
    const note = (pid) => require('node:fs').appendFileSync(process.env.PIDS, pid + '\\n');
    process.on('SIGTERM', () => {});
    note(process.pid);
    const wait = 'process.on("SIGTERM", () => {}); setInterval(() => {}, 9e4)';
    note(spawn(process.execPath, ['-e', wait]).pid);
    note(spawn(process.execPath, ['-e', wait], { detached: true, stdio: 'ignore' }).pid);
    const daemon = 'setsid "$0" -e "$1" > /dev/null 2>&1 & echo $! >> "$PIDS"';
    spawn('sh', ['-c', daemon, process.execPath, wait], { stdio: 'ignore' });
    setInterval(() => {}, 9e4);`;

  async function assertNothingLeft(t, work) {
    const folder = faulty.makeFolder(t);
    const pids = path.join(folder, 'all.pids');
    await work({ PIDS: pids, TMPDIR: folder });
    const noted = fs.readFileSync(pids, 'utf8').trim().split('\n').map(Number);
    assert.equal(noted.length, 4);
    assert.deepEqual(noted.filter(isAlive), []);
    assert.deepEqual(leftovers(folder), []);
  }

  test('a command that will not end, and what it started', async (t) => {
    await assertNothingLeft(t, async (env) => {
      const report = await examined(['--', NODE, '-e', STUBBORN], { env });
      assert.equal(report.processes.length, 4);
    });
  });

  test('SIGINT ends it as well', async (t) => {
    await assertNothingLeft(t, async (env) => {
      const args = [BIN, 'doctor', '--timeout', '60', '--', NODE, '-e', STUBBORN];
      const child = spawn(NODE, args, { env: environment(env), stdio: 'ignore' });
      const lines = () =>
        fs.existsSync(env.PIDS) ? fs.readFileSync(env.PIDS, 'utf8').split('\n').length - 1 : 0;
      const watcher = fs.watch(path.dirname(env.PIDS));
      while (lines() < 4) await once(watcher, 'change');
      watcher.close();
      child.kill('SIGINT');
      assert.deepEqual(await once(child, 'exit'), [130, null]);
    });
  });

  test("its output is not mixed with the report, and its status is not doctor's", async () => {
    const script = "console.log('own output'); console.error('own error'); process.exit(7)";
    const { code, stdout, stderr } = await doctor(['--json', '--', NODE, '-e', script], {
      env: underJemalloc(),
    });
    assert.equal(code, 0, stdout);
    assert.ok(JSON.parse(stdout).healthy);
    assert.ok(!stdout.includes('own output') && !stderr.includes('own'));
  });

  test('NODE_OPTIONS of the user is kept, and worker threads report nothing', async () => {
    const script = `new (require('node:worker_threads').Worker)('1', { eval: true })`;
    const report = await examined(['--', NODE, '-e', script], {
      env: { ...underJemalloc(), NODE_OPTIONS: '--max-old-space-size=77' },
    });
    assert.equal(report.processes.length, 1);
    assert.deepEqual(report.findings, []);
  });
});

describe('output', () => {
  const env = { LD_PRELOAD: '/no/lib\u001b[31mred\u009b2J\u202e.so' };

  test('text has no colour and no foreign control characters where it is no terminal', async () => {
    const { stdout } = await doctor([], { env });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    assert.doesNotMatch(stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    assert.match(stdout, /lib\\u001b\[31mred\\u009b2J\\u202e\.so/);
  });

  test('JSON has none either, and is the same text when parsed', async () => {
    const { stdout } = await doctor(['--json'], { env });
    assert.doesNotMatch(stdout, /[\u007f-\u009f\u202e]/);
    const { findings } = JSON.parse(stdout);
    assert.ok(findings.some(({ summary }) => summary.includes(env.LD_PRELOAD)));
  });

  for (const [setting, coloured] of [
    [{}, true],
    [{ NO_COLOR: '1' }, false],
  ]) {
    test(`on a terminal, NO_COLOR ${coloured ? 'not set' : 'set'}`, async () => {
      const command = `${NODE} ${BIN} doctor`;
      const { stdout } = await finished('script', ['-qec', command, '/dev/null'], { env: setting });
      assert.match(stdout, /^1 remark: glibc .* serves malloc/);
      assert.equal(stdout.includes('\u001b['), coloured);
    });
  }
});

describe('the options that the addon reads back', () => {
  const NATIVE = JSON.stringify(path.join(__dirname, '..', 'lib', 'native.js'));
  const read = async (env) => {
    const code = `
      const { addon } = require(${NATIVE});
      const all = addon.options();
      const some = addon.options(['narenas', 'no_such_option', 'a.b', '', 'hpa_dirty_mult']);
      const print = (printed) => console.log(JSON.stringify({ all, some, printed }));
      addon.printout().then(({ printout }) => print(printout.jemalloc.opt), () => print(null));`;
    const { stdout, stderr } = await finished(NODE, ['-e', code], { env });
    assert.notEqual(stdout, '', stderr);
    return JSON.parse(stdout);
  };

  for (const name of JEMALLOCS) {
    test(`${name}: as malloc_stats_print has them`, async (t) => {
      const library = preload(t, name);
      if (library === null) return;
      const MALLOC_CONF = 'narenas:3,dirty_decay_ms:-1,thp:never,tcache_max:4096,retain:false';
      const { all, some, printed } = await read({ LD_PRELOAD: library, MALLOC_CONF });
      const common = Object.keys(all).filter((key) => key in printed);
      assert.ok(common.length > 40, `${common.length} in common`);
      for (const key of common) assert.deepEqual(all[key], printed[key], key);
      assert.deepEqual([all.narenas, all.dirty_decay_ms, all.thp], [3, -1, 'never']);
      // The last is there, and of a type that is not read.
      assert.deepEqual(some, { narenas: 3, hpa_dirty_mult: null });
    });
  }

  test('none on glibc', async () => {
    assert.deepEqual(await read({}), { all: null, some: null, printed: null });
  });
});

describe('doctor(), the function', () => {
  const evaluate = async (code, env) => {
    const script = `const heapgap = require(${JSON.stringify(path.join(__dirname, '..'))}); ${code}`;
    const { stdout, stderr } = await finished(NODE, ['-e', script], { env });
    assert.notEqual(stdout, '', stderr);
    return JSON.parse(stdout);
  };
  const print = (call) =>
    `${call}.then((value) => console.log(JSON.stringify(value)), ({ name, code, message }) =>
      console.log(JSON.stringify({ name, code, message })));`;

  test('without options: this process', async () => {
    const healthy = await evaluate(print('heapgap.doctor()'), underJemalloc());
    assert.deepEqual([healthy.healthy, healthy.findings], [true, []]);
    const ill = await evaluate(print('heapgap.doctor()'), underJemalloc('narena:4,narenas:0'));
    assert.deepEqual(
      ill.findings.map(({ code }) => code),
      // jemalloc's complaint is not heard from within.
      ['conf-unknown', 'conf-ignored'],
    );
  });

  const BAD = [
    ['{ pid: "1" }', 'TypeError', /expected `pid` to be a positive integer number, got string "1"/],
    ['{ pid: -1 }', 'RangeError', /expected `pid`/],
    ['{ command: [] }', 'RangeError', /expected `command` to be an array of strings/],
    ['{ command: "node" }', 'TypeError', /expected `command`/],
    ['{ timeoutMs: 0 }', 'RangeError', /expected `timeoutMs`/],
    ['{ pid: 1, command: ["true"] }', 'TypeError', /expected `command` to be left out/],
    ['{ process: 1 }', 'TypeError', /doctor\(\) has no option `process`/],
    ['{ pid: 4194304 }', 'Error', /there is no process 4194304/],
  ];
  for (const [options, name, message] of BAD) {
    test(`rejects: ${options}`, async () => {
      const error = await evaluate(print(`heapgap.doctor(${options})`));
      assert.equal(error.name, name);
      assert.match(error.message, message);
      assert.match(error.code, /^ERR_HEAPGAP_/);
    });
  }
});

describe('allocator().evidence', () => {
  const evidence = async (env) => {
    const code = `JSON.stringify(require(${JSON.stringify(path.join(__dirname, '..'))}).allocator().evidence)`;
    return JSON.parse((await finished(NODE, ['-p', code], { env })).stdout);
  };

  const CASES = [
    [
      'a missing file',
      () => ({ LD_PRELOAD: '/no/libjemalloc.so.2' }),
      /which does not exist; glibc/,
    ],
    ['another architecture', (t) => ({ LD_PRELOAD: faulty.otherArchitecture(t) }), /built for/],
    ['a text file', (t) => ({ LD_PRELOAD: faulty.textFile(t) }), /not a shared library/],
    ['no malloc', (t) => ({ LD_PRELOAD: faulty.withoutMalloc(t) }), /names jemalloc, but glibc/],
    ['options for nobody', () => ({ MALLOC_CONF: 'narenas:4' }), /MALLOC_CONF is set, but glibc/],
    ['a misspelt option', () => underJemalloc('narena:4'), /has no option narena/],
    ['a value not taken', () => underJemalloc('narenas:0'), /has narenas:0, but narenas is/],
    ['no background threads', () => ({ LD_PRELOAD: SHIPPED }), /background threads are off/],
    ['no decay', () => underJemalloc('muzzy_decay_ms:-1'), /muzzy_decay_ms is -1/],
    ['a space', () => underJemalloc(' narenas:2'), /malformed: .* " narenas:2"; jemalloc reads no/],
    ['no octal number', () => underJemalloc('narenas:010,narenas:08'), /narenas:08, but narenas/],
  ];
  for (const [name, env, sentence] of CASES) {
    test(`${name}: behind the proof`, async (t) => {
      const sentences = await evidence(env(t));
      assert.match(sentences[0], /^malloc\(/);
      assert.match(sentences.at(-1), sentence);
      assert.equal(sentences.filter((each) => sentence.test(each)).length, 1);
    });
  }

  test('two allocators, whichever serves', async (t) => {
    for (const names of [
      ['jemalloc 5.3.1', 'mimalloc'],
      ['mimalloc', 'jemalloc 5.3.1'],
      ['jemalloc 5.3.1', 'jemalloc 5.3.0'],
    ]) {
      const libraries = preload(t, ...names);
      if (libraries === null) return;
      const live = names[0].split(' ')[0];
      const sentences = await evidence({ ...underJemalloc(), LD_PRELOAD: libraries });
      assert.match(sentences.at(-1), new RegExp(`are loaded together; ${live} serves malloc$`));
      assert.ok(!sentences.some((each) => /^LD_PRELOAD names/.test(each)), `${sentences}`);
    }
    const once = { ...underJemalloc(), LD_PRELOAD: `${SHIPPED}:${SHIPPED}:/no/libmimalloc.so` };
    assert.doesNotMatch((await evidence(once)).join(), /loaded together/);
  });

  test('in order: nothing but the proof', async () => {
    const pairs =
      'dirty_decay_ms: 5000,muzzy_decay_ms:+0x10,lg_tcache_max:14,junk:false,narenas:010';
    for (const env of [{}, underJemalloc(pairs), { LD_PRELOAD: LIBRARIES.mimalloc ?? '' }]) {
      const sentences = await evidence(env);
      assert.ok(
        sentences.length <= 3 && /^malloc_usable_size/.test(sentences.at(-1)),
        `${sentences}`,
      );
    }
  });
});
