'use strict';
// Where the profile goes.

const fs = require('node:fs/promises');
const { finished } = require('node:stream/promises');

async function create(name) {
  try {
    return await fs.open(name, 'wx');
  } catch (error) {
    const why = error.code === 'EEXIST' ? 'it exists already' : error.message;
    throw new Error(`there is no writing to ${name}: ${why}`);
  }
}

/**
 * A new file's stream, or standard output's for `-`, with its `name`. Opened before the profile is taken: that a file
 * cannot be written is not to be found out after a minute. Never over another file, nor through a link (open(2), O_EXCL).
 */
async function openOutput(name) {
  if (name === '-') return { stream: process.stdout, name: null, discard: async () => {} };
  const stream = (await create(name)).createWriteStream();
  async function discard() {
    stream.destroy();
    await finished(stream).catch(() => {});
    await fs.rm(name, { force: true });
  }
  return { stream, name, discard };
}

module.exports = { openOutput };
