'use strict';
// Packs dist/*.tgz, ready to publish: heapgap, and a package for each platform whose binaries are in
// dist/binaries (scripts/release/build.js). With --all, a platform that has none is an error.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { PLATFORMS, addonFile, builtFiles, packageName } = require('./platforms.js');

const root = path.join(__dirname, '..', '..');
const dist = path.join(root, 'dist');
const source = require('../../package.json');

function npmPack(folder, args) {
  const child = ['pack', '--json', '--ignore-scripts', ...args];
  const [packed] = JSON.parse(execFileSync('npm', child, { cwd: folder, encoding: 'utf8' }));
  return packed;
}

/** What users get of the clone: package.json's `files`, and what npm adds to them. */
const publishedFiles = () => npmPack(root, ['--dry-run']).files.map((file) => file.path);

/**
 * `private` keeps the clone from being published, which lacks the platforms' packages: they are named
 * here only, because npm could not install a clone that names packages which are yet to be published.
 */
function mainManifest() {
  const { private: _, scripts, devDependencies, napi, ...rest } = source;
  const platforms = PLATFORMS.map((platform) => [packageName(platform), source.version]);
  // Yarn's Plug'n'Play leaves it in files: other processes are told to load some of them (doctor's probe).
  return { ...rest, optionalDependencies: Object.fromEntries(platforms), preferUnplugged: true };
}

function platformManifest(platform) {
  const { version, license, repository, engines } = source;
  const { cpu, libc } = platform;
  return {
    name: packageName(platform),
    version,
    description: `The native half of heapgap for ${platform.target}`,
    license,
    repository,
    type: 'commonjs',
    main: addonFile(platform),
    files: builtFiles(platform),
    os: ['linux'],
    cpu: [cpu],
    libc: [libc],
    engines,
    // Yarn's Plug'n'Play keeps packages in archives; only from a file can ld.so load.
    preferUnplugged: true,
    // A scoped package is private unless it says otherwise.
    publishConfig: { access: 'public' },
  };
}

function platformReadme(platform) {
  return `# ${packageName(platform)}

The binaries of [heapgap](https://www.npmjs.com/package/heapgap) for \`${platform.target}\`: its native
addon, and the jemalloc that it can preload. heapgap installs it where it is needed. What it contains of
others, and under which licences, is in THIRD-PARTY-LICENSES.
`;
}

/** Makes dist/<name>/ of files and a manifest, and packs it into dist/. */
function pack(name, manifest, write) {
  const folder = path.join(dist, name);
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  write(folder);
  const { filename, size, unpackedSize } = npmPack(folder, ['--pack-destination', dist]);
  console.log(`dist/${filename}: ${size} bytes, ${unpackedSize} unpacked`);
}

function copy(from, files, to) {
  for (const file of files) {
    fs.mkdirSync(path.dirname(path.join(to, file)), { recursive: true });
    fs.copyFileSync(path.join(from, file), path.join(to, file));
  }
}

function packMain() {
  pack('heapgap', mainManifest(), (folder) => {
    copy(
      root,
      publishedFiles().filter((file) => file !== 'package.json'),
      folder,
    );
  });
}

function packPlatform(platform) {
  pack(platform.name, platformManifest(platform), (folder) => {
    copy(path.join(dist, 'binaries', platform.name), builtFiles(platform), folder);
    copy(root, ['LICENSE'], folder);
    fs.writeFileSync(path.join(folder, 'README.md'), platformReadme(platform));
  });
}

function main(all) {
  const isBuilt = ({ name }) => fs.existsSync(path.join(dist, 'binaries', name));
  const missing = PLATFORMS.filter((platform) => !isBuilt(platform));
  if (missing.length === PLATFORMS.length) {
    throw new Error('dist/binaries has no platform: scripts/release/build.js builds one');
  }
  if (all && missing.length > 0) {
    throw new Error(`dist/binaries lacks ${missing.map(({ name }) => name).join(', ')}`);
  }
  for (const name of fs.readdirSync(dist).filter((name) => name !== 'binaries')) {
    fs.rmSync(path.join(dist, name), { recursive: true });
  }
  for (const platform of PLATFORMS.filter(isBuilt)) packPlatform(platform);
  packMain();
}

if (require.main === module) main(process.argv.includes('--all'));

module.exports = { mainManifest, platformManifest, publishedFiles };
