'use strict';
// The tarballs to publish: what `npm run package` makes here, and stand-ins for other platforms.

const fs = require('node:fs');
const path = require('node:path');

const { platformManifest } = require('../../scripts/release/pack.js');
const { PLATFORMS, hostPlatform, packageName } = require('../../scripts/release/platforms.js');
const { version } = require('../../package.json');
const { run } = require('./processes.js');

const ROOT = path.join(__dirname, '..', '..');
const DIST = path.join(ROOT, 'dist');
/** It may have to compile jemalloc. */
const BUILD_SECONDS = 900;

/** The name that `npm pack` gives. */
function tarball(name) {
  return path.join(DIST, `${name.replace(/^@/, '').replace('/', '-')}-${version}.tgz`);
}

/**
 * A package with the metadata of a platform that was not built here, and nothing in it. npm and pnpm
 * do without an optional package that the registry lacks; Yarn, 1 and 4, then installs nothing at all.
 */
function makeStandIn(folder, platform) {
  const standIn = path.join(folder, platform.name);
  fs.mkdirSync(standIn);
  const { main, files, ...manifest } = platformManifest(platform);
  fs.writeFileSync(path.join(standIn, 'package.json'), JSON.stringify(manifest));
  return standIn;
}

/** Makes the packages; answers what to publish, the platforms before heapgap itself. */
async function makePackages(folder) {
  const own = hostPlatform();
  // `npm run package` makes this machine's, and packs what there is.
  const onMusl = PLATFORMS.find(({ cpu, libc }) => cpu === own.cpu && libc === 'musl');
  const build = ['node', 'scripts/release/build.js', onMusl.name];
  await run(build, { cwd: ROOT, seconds: BUILD_SECONDS });
  await run(['npm', 'run', 'package'], { cwd: ROOT, seconds: BUILD_SECONDS });
  const platforms = PLATFORMS.map((platform) => {
    const packed = tarball(packageName(platform));
    const isMade = platform === own || platform === onMusl;
    return isMade || fs.existsSync(packed) ? packed : makeStandIn(folder, platform);
  });
  return [...platforms, tarball('heapgap')];
}

module.exports = { makePackages };
