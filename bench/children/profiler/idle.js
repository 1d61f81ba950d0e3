'use strict';
// Does nothing, and prints its RSS.

console.log(JSON.stringify({ rssMb: process.memoryUsage.rss() / 2 ** 20 }));
