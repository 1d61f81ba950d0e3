'use strict';

/** What a file is called that heapgap hands out or keeps: whose it is, and of when. Sorts as time does. */
function fileName(extension, { whose = process.pid, time = Date.now() } = {}) {
  const stamp = new Date(time).toISOString().replace(/[-:.]/g, '');
  return `heap-${whose}-${stamp}.${extension}`;
}

module.exports = { fileName };
