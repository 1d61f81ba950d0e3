'use strict';
// What jemalloc makes of another process's MALLOC_CONF, tried on the library that heapgap ships: the
// target's own is never loaded, nor anything else that the target names.

const { execFile } = require('node:child_process');

const { findLibrary } = require('../../library.js');
const { parseConf } = require('../conf.js');

/**
 * What is tried: options that change how memory is kept, and no more (jemalloc(3), TUNING). Others write
 * files, print, or end the process, and newer versions may have more of these; they are looked up by
 * their names. Where the text is read on is never decided twice: nothing but these pairs is passed on.
 */
const TRIED = new Set([
  'background_thread',
  'bin_shards',
  'cache_oblivious',
  'dirty_decay_ms',
  'dss',
  'junk',
  'lg_extent_max_active_fit',
  'lg_tcache_max',
  'max_background_threads',
  'metadata_thp',
  'mutex_max_spin',
  'muzzy_decay_ms',
  'narenas',
  'narenas_ratio',
  'oversize_threshold',
  'percpu_arena',
  'retain',
  'slab_sizes',
  'tcache',
  'tcache_max',
  'thp',
  'trust_madvise',
  'zero',
]);

/** Numbers, words and ranges; the space is one that jemalloc complains of. */
const HARMLESS = /^[\w.:|+ -]{0,256}$/;

const isTried = ({ key, value }) => TRIED.has(key) && HARMLESS.test(value);

const TIMEOUT_MS = 5000;
const MAX_CONF = 16 * 1024;

/** The names of what is left out follow as words. */
const SCRIPT = `
  const { addon } = require(${JSON.stringify(require.resolve('../../native.js'))});
  const { ownOptions } = require(${JSON.stringify(require.resolve('./options.js'))});
  const options = { ...ownOptions(addon, process.env), ...addon.options(process.argv.slice(1)) };
  process.stdout.write(JSON.stringify(options));`;

/** `{ options, complaints, leftOut }`, or `null` where it could not be tried. */
async function rehearse(conf) {
  const { library } = findLibrary();
  if (!library || conf.length > MAX_CONF) return null;
  const { pairs } = parseConf(conf);
  const tried = pairs.filter(isTried).map(({ text }) => text);
  const leftOut = pairs.filter((pair) => !isTried(pair)).map(({ key }) => key);
  const ran = await run({ LD_PRELOAD: library, MALLOC_CONF: tried.join(',') }, leftOut);
  return ran && { ...ran, leftOut };
}

function run(env, names) {
  const limits = { env, timeout: TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: 1024 * 1024 };
  return new Promise((resolve) => {
    execFile(process.execPath, ['-e', SCRIPT, '--', ...names], limits, (error, stdout, stderr) => {
      if (error) return resolve(null);
      const complaints = [...new Set(stderr.split('\n').filter((line) => line !== ''))];
      resolve({ options: JSON.parse(stdout), complaints });
    });
  });
}

module.exports = { rehearse };
