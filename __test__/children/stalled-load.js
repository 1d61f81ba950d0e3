'use strict';
// Holds the event loop up for 400 ms as soon as the program has begun.

setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400), 10);
