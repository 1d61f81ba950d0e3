'use strict';
// The thread that looks for doctor(): reading /proc and judging take milliseconds that the service's
// own thread must not spend.

const { parentPort, workerData } = require('node:worker_threads');

const { examine } = require('./examine.js');

examine(workerData)
  .then(
    (report) => ({ report }),
    // Cloned, an error loses its code.
    ({ message, code }) => ({ failure: { message, code } }),
  )
  .then((answer) => parentPort.postMessage(answer));
