'use strict';
// Starts commands, each in a process group of its own, and ends what is left of them.

const { spawn } = require('node:child_process');

const SAID_LIMIT = 8000;
const START_SECONDS = 60;

/** The process groups that may have a process left, by the leader's pid. */
const groups = new Set();

function endGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
  groups.delete(pid);
}

function endAll() {
  for (const pid of groups) endGroup(pid);
}

/**
 * Starts a command. `ended` resolves with what it printed when it ends well, and rejects with that
 * when it does not, or is not done after so many seconds.
 */
function start([file, ...args], { cwd, env, seconds, ipc = false }) {
  const title = [file, ...args].join(' ');
  const stdio = ['ignore', 'pipe', 'pipe', ...(ipc ? ['ipc'] : [])];
  const child = spawn(file, args, { cwd, env, stdio, detached: true });
  if (child.pid) groups.add(child.pid);
  const output = { stdout: '', both: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => {
      if (name === 'stdout') output.stdout += text;
      output.both = (output.both + text).slice(-SAID_LIMIT);
    });
  }
  const ended = new Promise((resolve, reject) => {
    const fail = (how) => reject(new Error(`${title}\n${how}\n${output.both}`.trimEnd()));
    const late = () => {
      fail(`was not done after ${seconds} s`);
      endGroup(child.pid);
    };
    const timer = seconds && setTimeout(late, seconds * 1000);
    child.once('error', (error) => fail(error.message));
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      groups.delete(child.pid);
      if (code === 0) resolve(output.stdout);
      else fail(`ended with ${signal ?? `code ${code}`}`);
    });
  });
  ended.catch(() => {});
  return { child, ended, said: () => output.both };
}

/** Runs a command to its end and resolves with its standard output. */
function run(command, options) {
  return start(command, { seconds: 120, ...options }).ended;
}

/**
 * Starts a command that goes on, and resolves when it has printed a match of `pattern`. `failed`
 * rejects should it end before `stop` is called.
 */
async function startService(command, pattern, options) {
  const { child, ended, said } = start(command, options);
  const failed = ended.then(() => {
    throw new Error(`${command.join(' ')} ended by itself`);
  });
  failed.catch(() => {});
  const printed = new Promise((resolve, reject) => {
    const late = () =>
      reject(new Error(`${command.join(' ')} printed no ${pattern} in ${START_SECONDS} s`));
    const timer = setTimeout(late, START_SECONDS * 1000);
    let text = '';
    child.stdout.on('data', (more) => {
      text += more;
      const match = pattern.exec(text);
      if (!match) return;
      clearTimeout(timer);
      resolve(match);
    });
    failed.catch(() => clearTimeout(timer));
  });
  const stop = () => endGroup(child.pid);
  try {
    return { match: await Promise.race([printed, failed]), failed, stop, said };
  } catch (error) {
    stop();
    throw error;
  }
}

module.exports = { endAll, run, startService };
