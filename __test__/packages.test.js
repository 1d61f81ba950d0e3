'use strict';
// What the packages will hold. The binaries in them are tested after `npm run package`, in packed/.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { mainManifest, platformManifest, publishedFiles } = require('../scripts/release/pack.js');
const { LIBRARY, PLATFORMS, addonFile, packageName } = require('../scripts/release/platforms.js');
const { finished } = require('./support/child.js');

const root = path.join(__dirname, '..');
const source = require('../package.json');
const children = path.join(__dirname, 'children');

const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];

/** An empty project with heapgap installed in it, and stubs of the platforms' packages. */
let project;

before(() => {
  project = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-packages-'));
  const heapgap = path.join(project, 'node_modules', 'heapgap');
  for (const file of publishedFiles()) {
    fs.mkdirSync(path.dirname(path.join(heapgap, file)), { recursive: true });
    fs.copyFileSync(path.join(root, file), path.join(heapgap, file));
  }
});

after(() => fs.rmSync(project, { recursive: true, force: true }));

/** Installs a stub whose addon is a script that answers as an addon of `version` would. */
function installStub(platform, version) {
  const folder = path.join(project, 'node_modules', packageName(platform));
  const manifest = { ...platformManifest(platform), main: 'stub.js' };
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
  fs.writeFileSync(path.join(folder, LIBRARY), '');
  fs.writeFileSync(
    path.join(folder, 'stub.js'),
    `exports.version = () => ${JSON.stringify(version)};
     exports.allocator = () => ({ name: ${JSON.stringify(platform.name)}, evidence: [] });`,
  );
  return folder;
}

async function installed(cpu) {
  const script = path.join(children, 'installed.js');
  const { code, stdout, stderr } = await finished(process.execPath, [script, project, cpu]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

for (const platform of PLATFORMS) {
  test(`${platform.name}: heapgap finds the addon and the library in its package`, async () => {
    const folder = installStub(platform, source.version);
    const { name, library } = await installed(platform.cpu);
    assert.equal(name, platform.name);
    assert.equal(library, path.join(folder, LIBRARY));
    fs.rmSync(folder, { recursive: true });
  });
}

test('an addon of another version is refused', async () => {
  const [platform] = PLATFORMS;
  const folder = installStub(platform, '0.0.0');
  const { name, evidence } = await installed(platform.cpu);
  assert.equal(name, 'unknown');
  assert.match(evidence[0], new RegExp(`is not of version ${source.version}`));
  fs.rmSync(folder, { recursive: true });
});

test('the platforms are those that napi-rs is told of', () => {
  assert.deepEqual(
    PLATFORMS.map(({ target }) => target),
    source.napi.targets,
  );
  for (const { name, cpu, libc, target } of PLATFORMS) {
    const suffix = libc === 'glibc' ? 'gnu' : libc;
    const machine = { x64: 'x86_64', arm64: 'aarch64' }[cpu];
    assert.equal(name, `linux-${cpu}-${suffix}`);
    assert.equal(target, `${machine}-unknown-linux-${suffix}`);
  }
});

test('the crates and the packages are of one version', () => {
  const manifest = mainManifest();
  const crates = fs.readFileSync(path.join(root, 'Cargo.toml'), 'utf8');
  assert.equal(/^version = "(.*)"/m.exec(crates)[1], source.version);
  assert.equal(manifest.version, source.version);
  assert.deepEqual(
    manifest.optionalDependencies,
    Object.fromEntries(PLATFORMS.map((one) => [packageName(one), source.version])),
  );
  for (const platform of PLATFORMS) {
    assert.equal(platformManifest(platform).version, source.version);
  }
});

test('nothing is run when a package is installed, and nothing comes along but uPlot', () => {
  const manifests = [mainManifest(), ...PLATFORMS.map(platformManifest)];
  for (const manifest of manifests) {
    for (const field of ['scripts', 'devDependencies', 'private', 'napi']) {
      assert.equal(manifest[field], undefined, `${manifest.name}: ${field}`);
    }
    assert.deepEqual(manifest.repository, source.repository, manifest.name);
  }
  const [main, ...platforms] = manifests.map(({ dependencies }) => dependencies);
  assert.deepEqual(Object.keys(main), ['uplot']);
  for (const dependencies of platforms) assert.equal(dependencies, undefined);
  // A clone is installed too, as a folder or from git.
  for (const script of INSTALL_SCRIPTS) assert.equal(source.scripts[script], undefined, script);
});

test('a platform package is installed on its platform only', () => {
  for (const platform of PLATFORMS) {
    const { os: system, cpu, libc, main, files, engines } = platformManifest(platform);
    assert.deepEqual(
      { system, cpu, libc },
      {
        system: ['linux'],
        cpu: [platform.cpu],
        libc: [platform.libc],
      },
    );
    assert.equal(main, addonFile(platform));
    assert.deepEqual(files, [main, LIBRARY, 'THIRD-PARTY-LICENSES']);
    assert.deepEqual(engines, source.engines);
  }
});

test('the package holds what its entry points need, and nothing of the clone beside it', () => {
  const files = publishedFiles();
  const folders = ['bin', 'dashboard', 'lib'];
  const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard', ...folders], {
    cwd: root,
    encoding: 'utf8',
  });
  const expected = [
    ...['LICENSE', 'README.md', 'index.d.ts', 'index.js', 'package.json'],
    ...tracked.trim().split('\n'),
  ];
  assert.deepEqual(files.sort(), expected.sort());
});

test('a clone cannot be published', async () => {
  // npm looks at `private` after its login, and before it sends anything: port 9 is closed.
  const registry = ['--registry', 'http://127.0.0.1:9', '--//127.0.0.1:9/:_authToken=none'];
  const args = ['publish', '--ignore-scripts', '--fetch-retries=0', ...registry];
  const { code, stderr } = await finished('npm', args, { cwd: root });
  assert.notEqual(code, 0);
  assert.match(stderr, /EPRIVATE/);
});
