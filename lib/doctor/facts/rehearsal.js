'use strict';
// What jemalloc makes of another process's MALLOC_CONF, tried on the library that heapgap ships: the
// target's own is never loaded, nor anything else that the target names.

const { execFile } = require('node:child_process');

const { findLibrary } = require('../../library.js');
const { parseConf } = require('../conf.js');

/** These write files, print, or end the process; they are known by their names only. */
const LEFT_OUT = /^(prof.*|stats_.*|abort.*|confirm_conf)$/;

const TIMEOUT_MS = 5000;
const MAX_CONF = 16 * 1024;

const SCRIPT = `
  const { addon } = require(${JSON.stringify(require.resolve('../../native.js'))});
  const { ownOptions } = require(${JSON.stringify(require.resolve('./options.js'))});
  process.stdout.write(JSON.stringify(ownOptions(addon, process.env)));`;

/** `{ options, complaints, leftOut }`, or `null` where it could not be tried. */
async function rehearse(conf) {
  const { library } = findLibrary();
  if (!library || conf.length > MAX_CONF) return null;
  const { pairs, malformed, rest } = parseConf(conf);
  const tried = pairs.filter(({ key }) => !LEFT_OUT.test(key)).map(({ text }) => text);
  // What is malformed ends the reading, so it comes last here too.
  const text = [...tried, ...(malformed && rest !== ',' ? [rest] : [])].join(',');
  const leftOut = pairs.filter(({ key }) => LEFT_OUT.test(key)).map(({ key }) => key);
  const ran = await run({ LD_PRELOAD: library, MALLOC_CONF: text });
  return ran && { ...ran, leftOut };
}

function run(env) {
  const limits = { env, timeout: TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: 1024 * 1024 };
  return new Promise((resolve) => {
    execFile(process.execPath, ['-e', SCRIPT], limits, (error, stdout, stderr) => {
      if (error) return resolve(null);
      const complaints = [...new Set(stderr.split('\n').filter((line) => line !== ''))];
      resolve({ options: JSON.parse(stdout), complaints });
    });
  });
}

module.exports = { rehearse };
