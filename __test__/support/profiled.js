'use strict';
// A service that allocates native memory all the time, and has the route.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { NAMING_FLAG } = require('../../lib/node-options.js');
const { environment } = require('./child.js');

const SERVICE = path.join(__dirname, '..', 'children', 'profiled.js');
const PROFILING = 'prof:true,prof_active:false';
/** As `heapgap run --profile` starts it: V8 tells the names of JavaScript functions. */
const NAMED = {
  nodeArgs: [NAMING_FLAG, '--require', path.join(__dirname, '..', '..', 'lib', 'preload.js')],
  env: { HEAPGAP_PROFILE: '1' },
};

/** On `preload`, with `options` for the route; ended after the test. */
async function startService(
  t,
  {
    preload = '',
    malloc = PROFILING,
    options = { profile: true },
    named: { nodeArgs = [], env = {} } = {},
  } = {},
) {
  const child = spawn(process.execPath, [...nodeArgs, SERVICE, JSON.stringify(options)], {
    env: environment({ ...env, LD_PRELOAD: preload, MALLOC_CONF: malloc }),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
  const port = Number(line);
  const held = async () => (await fetch(`http://127.0.0.1:${port}/held`)).json();

  /** Asks until the profiler is as expected; each answer is one turn of the service's event loop. */
  async function isActive(expected) {
    while ((await held()).active !== expected);
  }

  const url = `http://127.0.0.1:${port}/debug/memory`;
  return { child, ended, port, url, held, isActive };
}

module.exports = { NAMED, startService };
