'use strict';
// `heapgap run`: starts a command on the shipped jemalloc, and becomes it.

const path = require('node:path');

const { jemallocVariables } = require('../environment.js');
const { findLibrary } = require('../library.js');
const { addon, why: whyNoAddon } = require('../native.js');
const { cannotStart, endAs, runChild } = require('./child.js');
const { say, usageError } = require('./output.js');

const GOVERN = '--govern';
const PROFILE = '--profile';
const PRELOAD = path.join(__dirname, '..', 'preload.js');

/** Our own options, and what follows them. */
function split(given) {
  const end = given.findIndex((word) => word !== GOVERN && word !== PROFILE);
  const at = end < 0 ? given.length : end;
  return { options: given.slice(0, at), words: given.slice(at) };
}

async function run(given) {
  const { options, words } = split(given);
  const [command, ...args] = words[0] === '--' ? words.slice(1) : words;
  if (command === undefined)
    return usageError('run needs a command, such as: heapgap run -- node server.js');
  if (words[0] !== '--' && command.startsWith('-'))
    return usageError(`run has no option ${command}`);
  const { library, why } = findLibrary();
  // A service must not fail to start because of its allocator.
  if (!library) say(`starting ${command} without jemalloc: ${why}`);
  const variables = {
    ...(library && jemallocVariables(process.env, library)),
    ...loaded(command, library, options),
  };
  try {
    // Where there is no addon to call execve with: the next best. Not process.execve: Node.js 22 and 24 abort
    // when it fails, past any try.
    if (!addon) return endAs(await runChild([command, ...args], variables));
    addon.exec(command, args, variables);
  } catch (error) {
    cannotStart(command, error);
  }
}

/** By option: the variable that does the same, and wins; and what the command is without. */
const SWITCHES = {
  [GOVERN]: { variable: 'HEAPGAP_GOVERN', without: 'a governor' },
  [PROFILE]: { variable: 'HEAPGAP_PROFILE', without: 'names for JavaScript functions' },
};

/** What has heapgap/preload do what was asked for, in each Node.js process of the command. */
function loaded(command, library, options) {
  const { env } = process;
  // Who runs the service turns it off by 0, whatever its command says.
  const isAsked = ([option, { variable }]) =>
    env[variable] !== '0' && (options.includes(option) || Boolean(env[variable]));
  const asked = Object.entries(SWITCHES).filter(isAsked);
  if (asked.length === 0) return {};
  if (!addon) {
    const missing = asked.map(([, { without }]) => without).join(' and ');
    say(`starting ${command} without ${missing}: ${whyNoAddon}`);
    return {};
  }
  // Loaded when asked for: most commands are started without.
  const { NAMING_FLAG, withFlag, withRequire } = require('../node-options.js');
  const names = asked.map(([option]) => option);
  const flagged = names.includes(PROFILE)
    ? withFlag(env.NODE_OPTIONS, NAMING_FLAG)
    : env.NODE_OPTIONS;
  return {
    ...Object.fromEntries(asked.map(([, { variable }]) => [variable, env[variable] || '1'])),
    NODE_OPTIONS: withRequire(flagged, PRELOAD),
    // heapgap/preload would look for the same library, in vain, and say so in each process.
    ...(!library && { HEAPGAP_PRELOAD: '0' }),
  };
}

module.exports = { run };
