'use strict';
// For `node --require`: governs a program that knows nothing of it. Answers the message `state`.

const { govern } = require('../..');

const governor = govern();
process.on('message', (message) => message === 'state' && process.send(governor.state()));
process.channel?.unref();
