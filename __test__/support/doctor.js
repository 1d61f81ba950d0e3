'use strict';
// Runs `heapgap doctor`, and processes for it to look at.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { environment, finished } = require('./child.js');

const BIN = path.join(__dirname, '..', '..', 'bin', 'heapgap.js');
const NODE = process.execPath;
const WAIT = "console.log('up'); setInterval(() => {}, 9e4)";

const doctor = (args, options) => finished(NODE, [BIN, 'doctor', ...args], options);

/** The report, and with which status doctor ended. */
async function examined(args, options) {
  const { code, stdout, stderr } = await doctor(['--json', ...args], options);
  assert.notEqual(stdout, '', stderr);
  return { status: code, ...JSON.parse(stdout) };
}

/** A process that has printed its first line; ended after the test. */
async function started(t, command, env, options = {}) {
  const [file, ...args] = command;
  const child = spawn(file, args, {
    ...options,
    env: environment(env),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child.pid;
}

module.exports = { BIN, NODE, WAIT, doctor, examined, started };
