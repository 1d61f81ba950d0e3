'use strict';
// Prints who governs this process and who serves malloc, and ends when nothing keeps it.

const { allocator, snapshot } = require('../../..');

/** The governor's thread may not have looked yet. */
function print() {
  const { governor = null } = snapshot();
  if (governor?.running && governor.limit === null) return setImmediate(print);
  const { pid } = process;
  process.stdout.write(`${JSON.stringify({ pid, name: allocator().name, governor })}\n`);
}

print();
