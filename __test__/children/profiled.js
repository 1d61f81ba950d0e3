'use strict';
// A service that allocates native memory all the time: `node profiled.js <the route's options as JSON>`. Prints its port.
// GET /held says how much it has allocated so far, and whether the profiler is active.

const http = require('node:http');
const heapgap = require('../..');

const CHUNK = 256 * 1024;
const chunks = [];

function holdNativeMemory() {
  // Enough to be seen, and no more than a test machine has.
  if (chunks.length < 4096) chunks.push(Buffer.allocUnsafeSlow(CHUNK));
}

setInterval(holdNativeMemory, 2);

const memory = heapgap.route(JSON.parse(process.argv[2] ?? '{}'));
const server = http.createServer((req, res) => {
  if (req.url !== '/held') return memory(req, res);
  return res.end(JSON.stringify({ bytes: chunks.length * CHUNK, active: heapgap.profiler.active }));
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
// The servers' own clients: closes it as a program does that is told to end.
process.on('SIGTERM', () => server.close(() => process.exit()));
