'use strict';
// What `npm run package` made: dist/*.tgz as they would be published, and the binaries in them.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { mainManifest, platformManifest, publishedFiles } = require('../../scripts/release/pack.js');
const { LIBRARY, PLATFORMS, ...platforms } = require('../../scripts/release/platforms.js');
const { finished } = require('../support/child.js');

const root = path.join(__dirname, '..', '..');
const dist = path.join(root, 'dist');
const { version } = require('../../package.json');

/** Node.js 20 runs on this one (its BUILDING.md). */
const OLDEST_GLIBC = { major: 2, minor: 28 };
/** A third of the addon is for heap profiles: symbols, demangling, pprof, flame graphs. */
const LARGEST_PAIR = 2.75 * 1024 * 1024;

const MACHINES = { x64: 'X86-64', arm64: 'AArch64' };

/** Every Linux that has Node.js has these: it is C++. */
const SYSTEM_LIBRARIES = {
  glibc: /^(lib(c|m)\.so\.6|libpthread\.so\.0|libdl\.so\.2|libgcc_s\.so\.1|ld-linux-.*\.so\.\d)$/,
  musl: /^(libc\.so|libc\.musl-.*\.so\.1|libgcc_s\.so\.1)$/,
};

const EXPORTS = {
  allocation: ['malloc', 'calloc', 'realloc', 'free', 'posix_memalign', 'aligned_alloc'],
  extension: ['malloc_usable_size', 'mallocx', 'rallocx', 'sdallocx', 'nallocx'],
  control: ['mallctl', 'mallctlnametomib', 'mallctlbymib', 'malloc_stats_print'],
  operators: ['_Znwm', '_Znam', '_ZnwmSt11align_val_t', '_ZdlPv', '_ZdlPvm', '_ZdaPv', '_ZdaPvm'],
};

const tarball = (name) => path.join(dist, `heapgap${name}-${version}.tgz`);
const isPacked = ({ name }) => fs.existsSync(tarball(`-${name}`));
const packed = PLATFORMS.filter(isPacked);

/** A project with all that was packed in its node_modules. */
let project;
const installed = (name) => path.join(project, 'node_modules', name);
const files = (name) =>
  fs
    .readdirSync(installed(name), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(installed(name), path.join(entry.parentPath, entry.name)))
    .sort();
const manifest = (name) => JSON.parse(fs.readFileSync(path.join(installed(name), 'package.json')));

function unpack(file, name) {
  fs.mkdirSync(installed(name), { recursive: true });
  execFileSync('tar', ['-xzf', file, '-C', installed(name), '--strip-components=1']);
}

before(() => {
  project = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-packed-'));
  unpack(tarball(''), 'heapgap');
  for (const platform of packed) unpack(tarball(`-${platform.name}`), `@heapgap/${platform.name}`);
});

after(() => fs.rmSync(project, { recursive: true, force: true }));

const tool = (command, ...args) =>
  execFileSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 27 });
const symbols = (...args) =>
  tool('nm', '--dynamic', ...args)
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).at(-1).split('@')[0]);

test('dist holds the packages and no other tarball', () => {
  assert.ok(packed.length > 0, 'there is a platform');
  const expected = ['', ...packed.map(({ name }) => `-${name}`)].map(tarball);
  const found = fs.readdirSync(dist).filter((name) => name.endsWith('.tgz'));
  assert.deepEqual(found.map((name) => path.join(dist, name)).sort(), expected.sort());
});

test('heapgap', () => {
  assert.deepEqual(files('heapgap'), publishedFiles().sort());
  assert.deepEqual(manifest('heapgap'), JSON.parse(JSON.stringify(mainManifest())));
});

for (const platform of packed) {
  const name = `@heapgap/${platform.name}`;

  describe(name, () => {
    let addon;
    let library;
    let both;

    before(() => {
      addon = path.join(installed(name), platforms.addonFile(platform));
      library = path.join(installed(name), LIBRARY);
      both = [addon, library];
    });

    test('the files', () => {
      const built = platforms.builtFiles(platform);
      assert.deepEqual(files(name), ['LICENSE', 'README.md', 'package.json', ...built].sort());
      assert.deepEqual(manifest(name), JSON.parse(JSON.stringify(platformManifest(platform))));
    });

    test('both binaries are for its processor and small', () => {
      for (const file of both) {
        assert.match(tool('readelf', '--file-header', file), new RegExp(MACHINES[platform.cpu]));
      }
      const bytes = both.reduce((sum, file) => sum + fs.statSync(file).size, 0);
      assert.ok(bytes <= LARGEST_PAIR, `${bytes} bytes`);
    });

    test('both load on the oldest libc that Node.js runs on', () => {
      for (const file of both) {
        const versions = tool('readelf', '--version-info', file).match(/\bGLIBC_[\w.]+/g) ?? [];
        if (platform.libc === 'musl') assert.deepEqual(versions, [], file);
        else assert.ok(versions.length > 0, 'there are versions to look at');
        // Not a number: GLIBC_PRIVATE, and GLIBC_ABI_DT_RELR, which glibc 2.36 brought.
        const newer = versions.filter((one) => {
          const [, major, minor] = /^GLIBC_(\d+)\.(\d+)(\.\d+)*$/.exec(one) ?? [];
          return Number(major) !== OLDEST_GLIBC.major || !(Number(minor) <= OLDEST_GLIBC.minor);
        });
        assert.deepEqual(newer, [], file);
      }
    });

    test('both need only what Node.js needs as well', () => {
      for (const file of both) {
        const needed = [...tool('readelf', '--dynamic', file).matchAll(/NEEDED.*\[(.*)\]/g)];
        assert.ok(needed.length > 0);
        for (const [, one] of needed) assert.match(one, SYSTEM_LIBRARIES[platform.libc], file);
      }
    });

    test('the addon has no allocator, exports its registration, and stays mapped', () => {
      assert.deepEqual(symbols('--defined-only', addon), ['napi_register_module_v1']);
      const imported = symbols('--undefined-only', addon);
      for (const one of ['malloc', 'free']) assert.ok(imported.includes(one), one);
      // jemalloc's messages begin with this; the library shows that it is there to be found.
      assert.equal(fs.readFileSync(addon).includes('<jemalloc>'), false);
      assert.equal(fs.readFileSync(library).includes('<jemalloc>'), true);
      // It unwinds by its own unwinder where libgcc's may hang (src/control/profiler/hook.rs).
      if (platform.libc === 'musl') {
        assert.deepEqual(
          imported.filter((one) => one.startsWith('_Unwind')),
          [],
        );
      }
      // musl unloads nothing.
      if (platform.libc === 'glibc') {
        assert.match(tool('readelf', '--dynamic', addon), /FLAGS_1.*NODELETE/);
      }
    });

    test('the library is a whole replacement for malloc, with initial-exec TLS', () => {
      const exported = symbols('--defined-only', library);
      for (const one of Object.values(EXPORTS).flat()) assert.ok(exported.includes(one), one);
      // The heap profiler's unwinder is the system's: one of its own would serve C++ as well.
      assert.deepEqual(
        exported.filter((one) => one.startsWith('_Unwind')),
        [],
      );
      assert.ok(symbols('--undefined-only', library).includes('_Unwind_Backtrace'));
      const dynamic = tool('readelf', '--dynamic', library);
      assert.match(dynamic, /SONAME.*\[libjemalloc\.so\.2\]/);
      assert.match(dynamic, /\bSTATIC_TLS\b/);
    });

    test('the licences of all that is linked in', () => {
      const licenses = fs.readFileSync(path.join(installed(name), 'THIRD-PARTY-LICENSES'), 'utf8');
      assert.match(licenses, /Jason Evans <jasone@canonware\.com>/);
      const tree = ['tree', '--edges', 'normal,no-proc-macro', '--prefix', 'none', '--locked'];
      const crates = execFileSync(
        'cargo',
        [...tree, '--package', 'heapgap', '--target', platform.target, '--format', '{p}'],
        { cwd: root, encoding: 'utf8' },
      );
      const names = [...crates.matchAll(/^(\S+) v(\S+)$/gm)];
      assert.ok(names.length > 10, crates);
      for (const [, crate, release] of names) {
        assert.ok(licenses.includes(`\n${crate} ${release}: `), crate);
      }
    });
  });
}

describe('on this machine', () => {
  const host = platforms.hostPlatform();
  const skip = !(host && isPacked(host)) && 'its platform was not packed';
  const run = (script, env) => {
    const cli = path.join(installed('heapgap'), 'bin', 'heapgap.js');
    const args = [cli, 'run', '--', process.execPath, '-e', script];
    return finished(process.execPath, args, { cwd: project, env });
  };

  test('heapgap run has the packed jemalloc live', { skip }, async () => {
    const script = 'console.log(JSON.stringify(require("heapgap").allocator()))';
    const { code, stdout, stderr } = await run(script);
    assert.equal(code, 0, stderr);
    const { name, library, capabilities } = JSON.parse(stdout);
    assert.equal(name, 'jemalloc');
    assert.equal(library, fs.realpathSync(path.join(installed(`@heapgap/${host.name}`), LIBRARY)));
    assert.deepEqual(capabilities, { stats: true, purge: true });
  });

  test('the packed jemalloc profiles, with whole stacks', { skip }, async () => {
    const settings = 'prof:true,prof_active:true,lg_prof_sample:10,prof_final:true';
    const MALLOC_CONF = `${settings},prof_prefix:${path.join(project, 'profile')}`;
    const script = 'require("zlib").deflateSync(Buffer.alloc(1e6))';
    const { code, stderr } = await run(script, { MALLOC_CONF });
    assert.equal(code, 0, stderr);
    const dumps = fs.readdirSync(project).filter((file) => /^profile.*\.heap$/.test(file));
    assert.ok(dumps.length > 0, stderr);
    const depths = dumps.flatMap((file) => {
      const stacks = fs.readFileSync(path.join(project, file), 'utf8').match(/^@.*$/gm) ?? [];
      return stacks.map((stack) => stack.split(' ').length - 1);
    });
    assert.ok(Math.max(...depths) >= 10, `frames: ${depths}`);
  });
});
