'use strict';
// Runs verdaccio with the configuration in its first argument, on a free port of the loopback
// interface, for as long as its parent lives.

const tools = require('node:module').createRequire(`${__dirname}/tools/`);
const { runServer } = tools('verdaccio');

process.once('disconnect', () => process.exit());

async function main() {
  const server = await runServer(JSON.parse(process.argv[2]));
  server.listen(0, '127.0.0.1', () => {
    console.log(`registry on http://127.0.0.1:${server.address().port}/`);
  });
}

main();
