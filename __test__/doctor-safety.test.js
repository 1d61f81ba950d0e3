'use strict';
// doctor looks at processes that may be hostile, and at services that it must not disturb.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { describe, test } = require('node:test');
const { environment, finished } = require('./support/child.js');
const { BIN, NODE, WAIT, doctor, examined, started } = require('./support/doctor.js');
const faulty = require('./support/faulty.js');

const ROOT = path.join(__dirname, '..');
const { SHIPPED } = faulty;

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

describe('doctor(), in a service', () => {
  const CALL = `const heapgap = require(${JSON.stringify(ROOT)});
    const call = () => heapgap.doctor();
    const print = (value) => console.log(JSON.stringify(value));`;
  const evaluated = async (code, { flags = [], env = {} } = {}) => {
    const ended = await finished(NODE, [...flags, '-e', `${CALL} ${code}`], { env });
    assert.equal(ended.code, 0, ended.stderr);
    return JSON.parse(ended.stdout);
  };
  const ILL = { LD_PRELOAD: SHIPPED, MALLOC_CONF: 'background_thread:true,thp:never,narena:4' };
  const codes = ({ findings }) => findings.map(({ code }) => code);

  test('starts no other process', async () => {
    // proc(5): cminflt counts the page faults of children that were waited for.
    const code = `call().then((report) => print([report,
      require('node:fs').readFileSync('/proc/self/stat', 'latin1').split(') ')[1].split(' ')[8]]))`;
    const [report, faults] = await evaluated(code, { env: ILL });
    assert.deepEqual(codes(report), ['conf-unknown']);
    assert.equal(faults, '0');
  });

  test('looks in another thread, with the heap limit of this one', async () => {
    const code = `call().then((report) => print([report.processes[0].pid === process.pid,
      Object.keys(require.cache).filter((file) => /doctor.(examine|facts|rules)/.test(file))]))`;
    assert.deepEqual(await evaluated(code), [true, []]);
  });

  test('from within a worker thread', async () => {
    const worker = `${CALL} call().then((report) =>
      require('node:worker_threads').parentPort.postMessage(report))`;
    const code = `new (require('node:worker_threads').Worker)(${JSON.stringify(worker)},
      { eval: true }).once('message', print)`;
    assert.deepEqual(codes(await evaluated(code, { env: ILL })), ['conf-unknown']);
  });

  test('where no thread may be had', async () => {
    const flag = process.allowedNodeEnvironmentFlags.has('--permission')
      ? '--permission'
      : '--experimental-permission';
    const flags = [flag, '--allow-fs-read=*', '--allow-addons'].filter(
      (each) => each !== '--allow-addons' || process.allowedNodeEnvironmentFlags.has(each),
    );
    assert.deepEqual(codes(await evaluated('call().then(print)', { flags, env: ILL })), [
      'conf-unknown',
    ]);
  });

  test('a rejection has its code, and nothing goes on after it', async () => {
    const code = `heapgap.doctor({ pid: 4194304 }).catch(({ code, message }) => print([code, message]))`;
    assert.deepEqual(await evaluated(code), [
      'ERR_HEAPGAP_COULD_NOT_LOOK',
      'there is no process 4194304',
    ]);
  });

  test('without /proc', async (t) => {
    const script = `mount -t tmpfs none /proc && exec "$@"`;
    const code = `${CALL} call().catch(({ code, message }) => print([code, message]))`;
    const words = [
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-c',
      script,
      'sh',
      NODE,
      '-e',
      code,
    ];
    const { stdout, stderr } = await finished('unshare', words);
    if (/unshare|mount/.test(stderr)) return faulty.lacks(t, 'mount namespaces');
    assert.deepEqual(JSON.parse(stdout), [
      'ERR_HEAPGAP_COULD_NOT_LOOK',
      'it takes /proc, which is not mounted here',
    ]);
  });
});

describe('whoever ends doctor', () => {
  const isAlive = (pid) => {
    try {
      return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch {
      return false;
    }
  };

  for (const signals of [['SIGINT', 'SIGINT'], ['SIGQUIT'], ['SIGTERM', 'SIGINT', 'SIGHUP']]) {
    test(`${signals.join(', ')}: nothing is left behind`, async (t) => {
      const folder = faulty.makeFolder(t);
      const file = path.join(folder, 'pid');
      const code = `process.on('SIGTERM', () => require('node:fs').appendFileSync('${file}', ' asked'));
        require('node:fs').writeFileSync('${file}', String(process.pid)); setInterval(() => {}, 9e4)`;
      const args = [BIN, 'doctor', '--timeout', '60', '--', NODE, '-e', code];
      const env = environment({ TMPDIR: folder });
      const watcher = fs.watch(folder);
      const child = spawn(NODE, args, { env, stdio: 'ignore' });
      const exit = once(child, 'exit');
      const says = async (pattern) => {
        while (!pattern.test(fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''))
          await once(watcher, 'change');
      };
      await says(/\d/);
      child.kill(signals[0]);
      // It is being asked to end, which it does not: the next signal comes before it is killed.
      await says(/asked/);
      for (const signal of signals.slice(1)) child.kill(signal);
      const [status, signal] = await exit;
      watcher.close();
      assert.deepEqual([status > 128, signal], [true, null]);
      assert.equal(isAlive(Number.parseInt(fs.readFileSync(file, 'utf8'), 10)), false);
      assert.deepEqual(fs.readdirSync(folder), ['pid']);
    });
  }
});

describe('what a process says of itself is bounded', () => {
  const MANY = 'x:'.repeat(60_000);
  const BOUNDED = [
    ['names', { LD_PRELOAD: MANY }],
    ['words', { LD_PRELOAD: MANY.replaceAll(':', ' ') }],
    ['folders', { LD_PRELOAD: MANY.slice(0, 200), LD_LIBRARY_PATH: '/x:'.repeat(30_000) }],
    ['a long path', { LD_PRELOAD: Array(70).fill('/x'.repeat(400)).join(':') }],
  ];
  for (const [name, env] of BOUNDED) {
    test(`LD_PRELOAD: ${name}`, { timeout: 20_000 }, async (t) => {
      const pid = await started(t, [NODE, '-e', WAIT], env);
      const { findings, notes } = await examined(['--pid', String(pid)]);
      assert.ok(findings.some(({ code }) => code === 'preload-missing'));
      assert.deepEqual(notes, ['of LD_PRELOAD, the first 64 entries were looked at']);
    });
  }
});

describe('--pid', () => {
  test('of a process that is not Node.js', async (t) => {
    for (const command of ['echo up; exec sleep 600', 'echo up; while :; do sleep 0.1; done']) {
      const pid = await started(t, ['sh', '-c', command]);
      const { code, stdout, stderr } = await doctor(['--pid', String(pid)]);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(
        stderr,
        /could not look: process \d+ \(\S+.*\) is not Node\.js, and has no child/,
      );
    }
  });

  for (const name of ['node', 'service']) {
    test(`of a Node.js called ${name} that was removed since`, async (t) => {
      const file = path.join(faulty.makeFolder(t), name);
      fs.copyFileSync(NODE, file);
      const pid = await started(t, [file, '-e', WAIT]);
      fs.rmSync(file);
      const { status, processes } = await examined(['--pid', String(pid)]);
      assert.deepEqual([status, processes.map(({ label }) => label)], [0, [name]]);
    });
  }

  test('arenas are counted by the CPUs that are online', async (t) => {
    const { container } = require('../lib/container.js');
    const MALLOC_CONF = 'background_thread:true,thp:never';
    const pid = await started(t, [NODE, '-e', WAIT], { LD_PRELOAD: SHIPPED, MALLOC_CONF });
    const { affinity } = container({ pid });
    const { processes } = await examined(['--pid', String(pid)]);
    assert.equal(processes[0].options.narenas, affinity === 1 ? 1 : affinity * 4);
  });

  test('of another user, as root without the right to look', async (t) => {
    if (process.getuid() !== 0) return faulty.lacks(t, 'root, for setpriv');
    const user = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
    const pid = await started(t, ['setpriv', ...user, NODE, '-e', WAIT]);
    const drop = ['--bounding-set', '-sys_ptrace', '--inh-caps', '-sys_ptrace'];
    const { code, stderr } = await finished('setpriv', [
      ...drop,
      NODE,
      BIN,
      'doctor',
      '--pid',
      String(pid),
    ]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /takes the same user as process \d+, or root with CAP_SYS_PTRACE/);
  });
});

test('a line to be pasted is not cut off', async () => {
  const { toText } = require('../lib/doctor/report.js');
  const line = `ENV MALLOC_CONF=${'dirty_decay_ms:1,'.repeat(60)}`;
  const fix = [{ distribution: 'any', arch: 'any', applies: true, lines: [line] }];
  const finding = { code: 'x', severity: 'error', summary: '', evidence: [], fix };
  assert.ok(toText({ findings: [finding], processes: [], notes: [] }).includes(`${line}\n`));
});

describe('a command is watched until it has started', () => {
  const JEMALLOC = `LD_PRELOAD=${SHIPPED} MALLOC_CONF=background_thread:true,thp:never`;
  const BARE = `"$0" -e 'setTimeout(() => {}, 300)'`;
  const shell = (script, options) => examined(['--', 'sh', '-c', script, NODE], options);

  test('a shell that becomes the service: what it ran before is not on its way', async () => {
    for (const before of [BARE, `"$0" -e 0`]) {
      const service = `exec env ${JEMALLOC} "$0" -e "$1"`;
      const args = ['--', 'sh', '-c', `${before}; ${service}`, NODE, 'setInterval(() => {}, 9e4)'];
      const { findings, processes } = await examined(args);
      assert.ok(processes.some(({ allocator }) => allocator.name === 'jemalloc'));
      assert.deepEqual(
        findings.filter(({ code }) => code === 'environment-lost'),
        [],
      );
    }
  });

  for (const delay of ['', 'sleep 0.4; ', 'setsid ']) {
    test(`a command that ends at once while "${delay}node" goes on`, async () => {
      const script = delay === 'setsid ' ? `setsid ${BARE} &` : `(${delay}${BARE}) &`;
      const { processes } = await shell(`${script} exit 0`);
      assert.equal(processes.length, 1);
    });
  }

  test('a main module that takes longer than doctor waits for more', {
    timeout: 30_000,
  }, async () => {
    const next = JSON.stringify(`${JEMALLOC} exec ${NODE} -e 0`);
    const code = `const until = Date.now() + 3500; while (Date.now() < until);
      require('node:child_process').execFileSync('sh', ['-c', ${next}])`;
    const { processes } = await examined(['--timeout', '20', '--', NODE, '-e', code]);
    assert.deepEqual(processes.map(({ allocator }) => allocator.name).sort(), [
      'glibc',
      'jemalloc',
    ]);
  });
});

describe('the probe', () => {
  const AS_NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];

  test('may not be read: it is said what to do', async (t) => {
    if (process.getuid() !== 0) return faulty.lacks(t, 'root, for setpriv');
    const folder = faulty.makeFolder(t);
    fs.chmodSync(folder, 0o700);
    for (const part of ['bin', 'lib', 'package.json'])
      fs.cpSync(path.join(ROOT, part), path.join(folder, part), { recursive: true });
    const words = [path.join(folder, 'bin', 'heapgap.js'), 'doctor', '--', ...AS_NOBODY, NODE];
    const { code, stderr } = await finished(NODE, [...words, '-e', '0']);
    assert.equal(code, 2);
    assert.match(stderr, /may not read \S+ and did not start: pass --allow-fs-read=.*use --pid/);
  });

  test('of a command that gives up its rights reports', async (t) => {
    if (process.getuid() !== 0) return faulty.lacks(t, 'root, for setpriv');
    const { processes } = await examined(['--', ...AS_NOBODY, NODE, '-e', '0']);
    assert.deepEqual(
      processes.map(({ allocator }) => allocator.proof),
      ['probe'],
    );
  });

  const FORGED = [
    '1',
    '{}',
    'null',
    '{"pid":7,"environment":null}',
    '[]',
    '{"pid":7',
    'LINK',
    'PIPE',
  ];
  test('is not the only one who can write there: what is no report counts for nothing', async () => {
    const code = `const fs = require('node:fs'), folder = process.env.HEAPGAP_DOCTOR_REPORTS;
      ${JSON.stringify(FORGED)}.forEach((text, index) => {
        const file = folder + '/' + (70 + index) + '.json';
        if (text === 'LINK') fs.symlinkSync('/etc/passwd', file);
        else if (text === 'PIPE') require('node:child_process').execFileSync('mkfifo', [file]);
        else fs.writeFileSync(file, text);
      });`;
    const { processes } = await examined(['--', NODE, '-e', code]);
    assert.equal(processes.length, 1);
  });
});
