#!/usr/bin/env node
'use strict';

const { USAGE, fail, usageError } = require('../lib/cli/output.js');

/** Each is loaded when asked for: `run` stands before every start of a service. */
const COMMANDS = {
  run: () => require('../lib/cli/run.js').run,
  path: () => require('../lib/cli/path.js').path,
  leaks: () => require('../lib/cli/leaks.js').leaks,
  doctor: () => require('../lib/cli/doctor.js').doctor,
  profile: () => require('../lib/cli/profile.js').profile,
  watch: () => require('../lib/cli/watch.js').watch,
};

function main([word, ...rest]) {
  if (word === '--version') return process.stdout.write(`${require('../package.json').version}\n`);
  const isCommand = Object.hasOwn(COMMANDS, word);
  const asked = isCommand ? rest[0] : word;
  if (asked === '--help' || asked === '-h' || word === 'help') return process.stdout.write(USAGE);
  if (isCommand) return COMMANDS[word]()(rest);
  if (word === undefined) return fail(`what to do?\n${USAGE}`.trimEnd());
  return usageError(`unknown command ${word}`);
}

main(process.argv.slice(2));
