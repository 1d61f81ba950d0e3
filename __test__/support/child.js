'use strict';
// Runs a script of __test__/children under an allocator and hands over what it prints as JSON.

const { spawn } = require('node:child_process');
const path = require('node:path');

const children = path.join(__dirname, '..', 'children');

/** The environment of a child: this one's, on the libc's own allocator unless told otherwise. */
function environment(extra) {
  const { LD_PRELOAD, MALLOC_CONF, NODE_OPTIONS, ...rest } = process.env;
  return { ...rest, ...extra };
}

/** Starts `command`; resolves with what it printed and how it ended. */
function finished(command, args, options = {}) {
  const { promise, resolve, reject } = deferred();
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A child that hangs fails its test instead of hanging it.
    timeout: 120_000,
    killSignal: 'SIGKILL',
    ...options,
    env: environment(options.env),
  });
  const output = { stdout: '', stderr: '' };
  for (const name of Object.keys(output)) {
    child[name].setEncoding('utf8').on('data', (text) => {
      output[name] += text;
    });
  }
  child.on('error', reject);
  child.on('close', (code, signal) => resolve({ code, signal, pid: child.pid, ...output }));
  return promise;
}

function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

/** Runs a child script to its end; its standard output is one JSON value. */
async function runChild(script, { preload, args = [], nodeArgs = [], node, env, ...options } = {}) {
  const extra = preload ? { LD_PRELOAD: preload, ...env } : env;
  const file = path.join(children, script);
  const command = [...nodeArgs, file, ...args.map(String)];
  const ended = await finished(node ?? process.execPath, command, { ...options, env: extra });
  if (ended.code !== 0) {
    throw new Error(`${script} ended with ${ended.code ?? ended.signal}:\n${ended.stderr}`);
  }
  return JSON.parse(ended.stdout);
}

module.exports = { environment, finished, runChild };
