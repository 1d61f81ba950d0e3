'use strict';
// A worker that takes its task first and loads the service afterwards, as test runners do.

process.once('message', (message) => {
  require('../../../lib/preload.js');
  const { name } = require('../../..').allocator();
  process.send([name, message], () => process.disconnect());
});
