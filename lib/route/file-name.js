'use strict';

/** What a browser calls the file: whose it is, and of when. */
function fileName(extension) {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  return `heap-${process.pid}-${time}.${extension}`;
}

module.exports = { fileName };
