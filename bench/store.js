'use strict';
// What a long benchmark has measured so far, in a file, so that it can go on where it was interrupted.

const fs = require('node:fs');
const path = require('node:path');

/**
 * What was measured, to be added to, and `save`, to be called then. Begins with `fresh`, or, to resume, with what the
 * file has, if that was measured with the same settings. Without a file it lasts as long as the process.
 */
function openStore(file, settings, { resume, fresh }) {
  const content = resume ? JSON.parse(fs.readFileSync(file, 'utf8')) : { settings, ...fresh };
  if (JSON.stringify(content.settings) !== JSON.stringify(settings)) {
    throw new Error(`${file} was measured with ${JSON.stringify(content.settings)}`);
  }
  content.save = () => {
    if (file === null) return;
    fs.mkdirSync(path.dirname(file), { recursive: true });
    // In one step: an interruption leaves what there was.
    fs.writeFileSync(`${file}.new`, JSON.stringify(content));
    fs.renameSync(`${file}.new`, file);
  };
  return content;
}

module.exports = { openStore };
