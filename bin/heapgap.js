#!/usr/bin/env node
'use strict';

const { spawnSync } = require('node:child_process');
const os = require('node:os');

const { addon } = require('../lib/native.js');
const { findLibrary, jemallocVariables } = require('../lib/run.js');
const { version } = require('../package.json');

const USAGE = `usage: heapgap run [--] <command> [argument…]
       heapgap --help | --version

run   starts the command on the jemalloc that heapgap ships. LD_PRELOAD and MALLOC_CONF are kept:
      pairs of MALLOC_CONF that you set win over heapgap's. The command takes over this process,
      so its pid, signals and exit status are its own.
`;

// As env(1), nohup(1) and timeout(1) use them.
const EXIT_OWN_FAILURE = 125;
const EXIT_CANNOT_INVOKE = 126;
const EXIT_NOT_FOUND = 127;

function fail(message, status) {
  process.stderr.write(`heapgap: ${message}\n`);
  process.exitCode = status;
}

function usageError(message) {
  fail(`${message}\n${USAGE}`.trimEnd(), EXIT_OWN_FAILURE);
}

function run(words) {
  const [command, ...args] = words[0] === '--' ? words.slice(1) : words;
  if (command === undefined)
    return usageError('run needs a command, such as: heapgap run -- node server.js');
  if (words[0] !== '--' && command.startsWith('-'))
    return usageError(`run has no option ${command}`);
  const { library, why } = findLibrary();
  // A service must not fail to start because of its allocator.
  if (!library) process.stderr.write(`heapgap: starting ${command} without jemalloc: ${why}\n`);
  const variables = library ? jemallocVariables(process.env, library) : {};
  if (!addon) return runAsChild(command, args, variables);
  try {
    addon.exec(command, args, variables);
  } catch (error) {
    cannotStart(command, error);
  }
}

/** Where there is no addon to call execve with: the next best. */
function runAsChild(command, args, variables) {
  // The child has the signal from the terminal too; this process waits for what it does about it.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
  const child = spawnSync(command, args, {
    stdio: 'inherit',
    env: { ...process.env, ...variables },
  });
  if (child.error) return cannotStart(command, child.error);
  process.exitCode = child.status ?? 128 + os.constants.signals[child.signal];
}

function cannotStart(command, error) {
  const missing = ['ENOENT', 'ERR_HEAPGAP_NOT_FOUND'].includes(error.code);
  fail(`cannot start ${command}: ${error.message}`, missing ? EXIT_NOT_FOUND : EXIT_CANNOT_INVOKE);
}

function main([word, ...rest]) {
  if (word === 'run') return run(rest);
  if (word === '--version') return process.stdout.write(`${version}\n`);
  if (word === '--help' || word === 'help') return process.stdout.write(USAGE);
  return usageError(word === undefined ? 'what to do?' : `unknown command ${word}`);
}

main(process.argv.slice(2));
