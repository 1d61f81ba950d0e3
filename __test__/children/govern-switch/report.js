'use strict';
// Prints what this process was started with.

const { env, pid, argv } = process;
process.stdout.write(`${JSON.stringify({ pid, args: argv.slice(2), env })}\n`);
