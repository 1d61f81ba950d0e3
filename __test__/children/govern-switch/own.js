'use strict';
// A program with a governor of its own: prints the figures before, with it, and what a second one is told.

const { govern, snapshot } = require('../../..');

async function main() {
  const before = snapshot().governor?.running ?? false;
  const governor = govern({ limit: Number(process.argv[2]) });
  const second = (() => {
    try {
      govern();
      return null;
    } catch (error) {
      return error.message;
    }
  })();
  while (governor.state().limit === null) await new Promise(setImmediate);
  const { running, limit, limitSource } = snapshot().governor;
  await governor.stop();
  const after = snapshot().governor.running;
  process.stdout.write(JSON.stringify({ before, running, limit, limitSource, second, after }));
}

main();
