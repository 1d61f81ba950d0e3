'use strict';
// The tarballs to publish: what `npm run package` makes here, and stand-ins for other platforms.

const fs = require('node:fs');
const path = require('node:path');

const { run } = require('./processes.js');

const ROOT = path.join(__dirname, '..', '..');
const DIST = path.join(ROOT, 'dist');
const BUILD_SECONDS = 900;

async function readManifest(tarball) {
  return JSON.parse(await run(['tar', '-xzOf', tarball, 'package/package.json']));
}

/**
 * A package with the metadata of one that was built here and nothing in it. npm and pnpm do without
 * an optional package that the registry lacks; Yarn, 1 and 4, refuses to install the rest.
 */
function makeStandIn(folder, name, model) {
  const [, cpu, libc] = /^@heapgap\/linux-(\w+)-(gnu|musl)$/.exec(name);
  const standIn = path.join(folder, `${cpu}-${libc}`);
  fs.mkdirSync(standIn, { recursive: true });
  const { files, main, ...rest } = model;
  const manifest = { ...rest, name, cpu: [cpu], libc: [libc === 'gnu' ? 'glibc' : 'musl'] };
  fs.writeFileSync(path.join(standIn, 'package.json'), JSON.stringify(manifest));
  return standIn;
}

/** Makes the packages; answers what to publish, the platforms before heapgap itself. */
async function makePackages(folder) {
  await run(['npm', 'run', 'package'], { cwd: ROOT, seconds: BUILD_SECONDS });
  const tarballs = fs.readdirSync(DIST).filter((name) => name.endsWith('.tgz'));
  const built = new Map();
  for (const tarball of tarballs) {
    const manifest = await readManifest(path.join(DIST, tarball));
    built.set(manifest.name, { manifest, tarball: path.join(DIST, tarball) });
  }
  const own = `@heapgap/linux-${process.arch}-gnu`;
  for (const name of ['heapgap', own]) {
    if (!built.has(name))
      throw new Error(`npm run package made no ${name}: ${tarballs.join(', ')}`);
  }
  const model = built.get(own).manifest;
  const platforms = Object.keys(built.get('heapgap').manifest.optionalDependencies);
  const published = platforms.map(
    (name) => built.get(name)?.tarball ?? makeStandIn(folder, name, model),
  );
  return [...published, built.get('heapgap').tarball];
}

module.exports = { makePackages };
