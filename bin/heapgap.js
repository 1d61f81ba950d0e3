#!/usr/bin/env node
'use strict';

const { USAGE, usageError } = require('../lib/cli/output.js');

/** Each is loaded when asked for: `run` stands before every start of a service. */
const COMMANDS = {
  run: () => require('../lib/cli/run.js').run,
  path: () => require('../lib/cli/path.js').path,
  doctor: () => require('../lib/cli/doctor.js').doctor,
};

function main([word, ...rest]) {
  if (word === '--version') return process.stdout.write(`${require('../package.json').version}\n`);
  if (word === '--help' || word === 'help') return process.stdout.write(USAGE);
  if (Object.hasOwn(COMMANDS, word)) return COMMANDS[word]()(rest);
  return usageError(word === undefined ? 'what to do?' : `unknown command ${word}`);
}

main(process.argv.slice(2));
