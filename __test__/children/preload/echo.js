'use strict';
// Answers the parent's first message with it and with who serves malloc, and ends.

const { allocator } = require('../../..');

process.once('message', (message) => {
  process.send([allocator().name, message], () => process.disconnect());
});
