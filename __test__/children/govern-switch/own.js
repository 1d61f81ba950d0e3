'use strict';
// A program with a governor of its own: prints the figures before, with it, and what a second one is told.

const { govern, snapshot } = require('../../..');

async function main() {
  const before = snapshot().governor?.running ?? false;
  const given = Number(process.argv[2]);
  const governor = govern({ limit: given });
  const second = (() => {
    try {
      govern();
      return null;
    } catch (error) {
      return error.message;
    }
  })();
  // Until its first look the figures are those of the one before.
  while (governor.state().limit !== given) await new Promise(setImmediate);
  const { running, limit, limitSource } = snapshot().governor;
  await governor.stop();
  const after = snapshot().governor.running;
  process.stdout.write(JSON.stringify({ before, running, limit, limitSource, second, after }));
}

main();
