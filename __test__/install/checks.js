'use strict';
// What must hold in a project that has installed heapgap.

const assert = require('node:assert');
const fs = require('node:fs');

const { PLATFORMS, packageName } = require('../../scripts/release/platforms.js');

const MIB = 1024 * 1024;
const FILLED_MB = 200;
/** jemalloc returns freed memory by itself too, now and then at once: here it is left to the purge. */
const NO_DECAY = { MALLOC_CONF: 'dirty_decay_ms:-1' };
const LOAD = { lines: 8, requests: 100 };

/** npm's lock file names every package that has a script to run at install. */
function assertNoInstallScript(project) {
  const { packages } = JSON.parse(fs.readFileSync(project.file('package-lock.json'), 'utf8'));
  assert.ok('node_modules/heapgap' in packages);
  const scripted = Object.keys(packages).filter((name) => packages[name].hasInstallScript);
  assert.deepStrictEqual(scripted, [], 'packages with an install script');
}

/** The package of the platform is there, and no other: `os`, `cpu` and `libc` are right. */
async function assertPlatform(project) {
  const installed = JSON.parse(await project.run(project.node('packages.cjs')));
  const { ignoresLibc } = project.manager;
  const expected = PLATFORMS.filter(
    ({ cpu, libc }) => cpu === process.arch && (ignoresLibc || libc === project.libc),
  );
  assert.deepStrictEqual(installed, expected.map(packageName));
}

async function assertModules(project) {
  await project.run(project.node('app.cjs'));
  await project.run(project.node('app.mjs'));
}

async function assertTypes(project) {
  await project.run(project.bin('tsc'));
  await project.run(project.node('compiled/typed.cjs'));
  await project.run(project.node('compiled/typed.mjs'));
}

/** What template/leaky.cjs leaves is found, by the name of its function. */
async function assertLeakFound(project) {
  const words = project.bin('heapgap', 'leaks', '--', 'node', 'leaky.cjs');
  await assert.rejects(project.run(words), ({ message }) => {
    assert.match(message, /\nended with code 1\n/);
    assert.match(message, /\n {2}(19|20)\.\d MB \(.*, of hoard \(\S*leaky\.cjs:6\)\n/);
    return true;
  });
}

async function request(method, url) {
  const response = await fetch(url, { method, signal: AbortSignal.timeout(60_000) });
  const body = await response.text();
  assert.ok(response.ok, `${method} ${url} answered ${response.status}: ${body}`);
  return body && JSON.parse(body);
}

async function sendLoad(url) {
  const line = async () => {
    for (let i = 0; i < LOAD.requests; i++) await request('GET', new URL('work', url));
  };
  await Promise.all(Array.from({ length: LOAD.lines }, line));
}

/** Asks for the memory again and again until the load has been answered. */
async function assertAnswersUnderLoad(url, allocator) {
  let loaded = false;
  const load = sendLoad(url).finally(() => {
    loaded = true;
  });
  const ask = async () => {
    while (!loaded) {
      const { allocator: live, rss } = await request('GET', new URL('debug/memory', url));
      assert.equal(live.name, allocator);
      assert.ok(rss > 0);
    }
  };
  await Promise.all([load, ask()]);
}

/** Fills and frees memory; the purge must give most of that back. Answers what it released. */
async function assertPurgeReleases(url, allocator) {
  await request('POST', new URL(`hold/${FILLED_MB}`, url));
  await request('POST', new URL('drop', url));
  const report = await request('POST', new URL('debug/memory/purge', url));
  assert.equal(report.allocator, allocator);
  assert.equal(report.released, report.rssBefore - report.rssAfter);
  const message = `${FILLED_MB} MB were freed, and the purge released ${report.released} bytes`;
  assert.ok(report.released > (FILLED_MB / 2) * MIB, message);
  return report.released;
}

/** The page came with the package, and what draws its charts with the package's dependency. */
async function assertPage(url) {
  for (const target of ['?format=html', '/page/uPlot.iife.min.js', '/page/uPlot.min.css']) {
    const at = new URL(`debug/memory${target}`, url);
    const response = await fetch(at, { signal: AbortSignal.timeout(60_000) });
    const text = await response.text();
    assert.ok(response.ok && text.length > 0, `${at} answered ${response.status}: ${text}`);
  }
}

async function exercise(url, allocator) {
  await assertPage(url);
  await assertAnswersUnderLoad(url, allocator);
  // musl's keeps nothing that could be purged.
  return allocator === 'musl' ? null : assertPurgeReleases(url, allocator);
}

/** Starts the service and has it prove its allocator, under load and by a purge. Answers what that released. */
async function assertService(project, words, allocator) {
  const service = await project.startService(words, /listening on (\S+)\n/, NO_DECAY);
  try {
    return await Promise.race([exercise(service.match[1], allocator), service.failed]);
  } catch (error) {
    throw new Error(`${words.join(' ')}: ${error.message}\n${service.said()}`, { cause: error });
  } finally {
    service.stop();
  }
}

/** How the service is started, and who serves malloc then, unless it is the libc. */
const SERVICES = {
  node: {
    words: (project) => project.node('--expose-gc', 'service.cjs'),
  },
  'heapgap run': {
    allocator: 'jemalloc',
    words: (project) => project.bin('heapgap', 'run', '--', 'node', '--expose-gc', 'service.cjs'),
  },
  'heapgap/preload': {
    allocator: 'jemalloc',
    words: (project) => project.node('--expose-gc', 'preloaded.mjs'),
  },
};

module.exports = {
  SERVICES,
  assertLeakFound,
  assertModules,
  assertNoInstallScript,
  assertPlatform,
  assertService,
  assertTypes,
};
