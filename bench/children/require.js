'use strict';
// Times one require in a new process.

function millis(id) {
  const started = process.hrtime.bigint();
  require(id);
  return Number(process.hrtime.bigint() - started) / 1e6;
}

process.stdout.write(JSON.stringify({ heapgap: millis('../..'), http: millis('node:http') }));
