'use strict';
// A service that allocates native memory all the time, and has the route.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { environment } = require('./child.js');

const SERVICE = path.join(__dirname, '..', 'children', 'profiled.js');
const PROFILING = 'prof:true,prof_active:false';
/** With these, V8 tells the names of JavaScript functions. */
const NAMED = ['--perf-basic-prof', '--interpreted-frames-native-stack'];

/** On `preload`, with `options` for the route; ended after the test. */
async function startService(
  t,
  { preload = '', malloc = PROFILING, options = { profile: true }, nodeArgs = [] } = {},
) {
  const cwd = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-profiled-'));
  const child = spawn(process.execPath, [...nodeArgs, SERVICE, JSON.stringify(options)], {
    // Where V8 leaves a log, with the flags that name its functions.
    cwd,
    env: environment({ LD_PRELOAD: preload, MALLOC_CONF: malloc }),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
    fs.rmSync(cwd, { recursive: true });
    fs.rmSync(`/tmp/perf-${child.pid}.map`, { force: true });
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
