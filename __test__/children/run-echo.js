'use strict';
// Sends the first message back to whoever forked this process, and ends.

process.once('message', (message) => process.send(message, () => process.disconnect()));
