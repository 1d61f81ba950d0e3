'use strict';
// The Express example as a process, and how it is asked.

const { spawn } = require('node:child_process');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const ROOT = path.join(__dirname, '..', '..');
const SERVER = path.join(ROOT, 'examples', 'express', 'server.js');
const CLI = path.join(ROOT, 'bin', 'heapgap.js');

const START_MS = 15_000;
const STOP_MS = 5_000;

/** The words after `node` that start the example, with flags for Node.js. */
const onLibc = (flags = []) => [...flags, SERVER];
const underHeapgap = (flags = []) => [CLI, 'run', '--', 'node', ...onLibc(flags)];

/** The environment without what would choose or tune an allocator, or change the service, behind the demo's back. */
function plainEnvironment() {
  const tuned = /^(LD_PRELOAD$|MALLOC_|GLIBC_TUNABLES$|HEAPGAP_|PLANT$|DEBUG_TOKEN$)/;
  const kept = Object.entries(process.env).filter(([name]) => !tuned.test(name));
  return { ...Object.fromEntries(kept), HOST: '127.0.0.1', PORT: '0', PURGE_AFTER_BURST: '0' };
}

/** The services that are running: each leads a process group of its own, to be ended as one. */
const services = new Set();

function signal(child, name) {
  try {
    process.kill(-child.pid, name);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

function killServices() {
  for (const child of services) signal(child, 'SIGKILL');
}

/** Starts a service; answers it with `failed`, a promise that rejects when it ends too soon. */
async function startService(argv, variables = {}) {
  const child = spawn(process.execPath, argv, {
    cwd: ROOT,
    env: { ...plainEnvironment(), ...variables },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.once('spawn', () => services.add(child));
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said = (said + text).slice(-2000);
  });
  const command = `node ${argv.map((arg) => path.relative(ROOT, arg) || arg).join(' ')}`;
  const failed = new Promise((_, reject) => {
    child.once('error', (error) => reject(new Error(`${command}: ${error.message}`)));
    child.once('close', (code, name) => {
      reject(new Error(`${command} ended with ${name ?? `code ${code}`}\n${said}`.trimEnd()));
    });
  });
  failed.catch(() => {});
  const memory = await Promise.race([printedUrl(child, command), failed]);
  return { child, failed, memory, url: new URL('/', memory).href, said: () => said };
}

function printedUrl(child, command) {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`${command} printed no URL within ${START_MS / 1000} s`));
    const timer = setTimeout(late, START_MS);
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
      const match = /(http:\S+\/debug\/memory)\n/.exec(output);
      if (!match) return;
      clearTimeout(timer);
      resolve(match[1]);
    });
  });
}

async function stopService({ child }) {
  const closed = new Promise((resolve) => child.once('close', resolve));
  const isRunning = child.exitCode === null && child.signalCode === null;
  if (isRunning) {
    signal(child, 'SIGTERM');
    await Promise.race([closed, sleep(STOP_MS, null, { ref: false })]);
  }
  signal(child, 'SIGKILL');
  if (isRunning) await closed;
  services.delete(child);
}

/** All that run, and waits for them to end. */
async function stopServices() {
  await Promise.all([...services].map((child) => stopService({ child })));
}

async function request(method, url) {
  let response;
  try {
    response = await fetch(url, { method, signal: AbortSignal.timeout(15_000) });
  } catch (error) {
    throw new Error(`${method} ${url} failed: ${error.cause?.message ?? error.message}`);
  }
  const body = await response.text();
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${body}`);
  return body && JSON.parse(body);
}

module.exports = {
  killServices,
  onLibc,
  request,
  startService,
  stopService,
  stopServices,
  underHeapgap,
};
