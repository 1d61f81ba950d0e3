'use strict';
// Keeps 20 MB until its end.

globalThis.kept = [];

function hoard() {
  globalThis.kept.push(Buffer.alloc(100_000, 1));
}

for (let i = 0; i < 200; i++) hoard();
