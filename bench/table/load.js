'use strict';
// Open-loop load: requests are due at fixed times, whatever became of those before, and their latency counts from
// then. Arguments: the port, and the bursts as JSON. Prints what came of it as JSON.

const http = require('node:http');
const { setTimeout: sleep } = require('node:timers/promises');

const TIMEOUT_MS = 30_000;
const OK = 200;

const [port, bursts] = process.argv.slice(2).map((word) => JSON.parse(word));
const agent = new http.Agent({ keepAlive: true });
const latencies = [];
let number = 0;
let errors = 0;

function ask(due) {
  const options = { host: '127.0.0.1', port, agent, path: `/${number++}`, timeout: TIMEOUT_MS };
  return new Promise((resolve) => {
    const fail = () => {
      errors += 1;
      resolve();
    };
    const request = http.get(options, (response) => {
      if (response.statusCode !== OK) errors += 1;
      response.resume();
      response.on('end', () => {
        if (response.statusCode === OK) latencies.push(performance.now() - due);
        resolve();
      });
      response.on('error', fail);
    });
    request.on('timeout', () => request.destroy(new Error('too late')));
    request.on('error', fail);
  });
}

/** Puts the requests of one burst under way when they are due. Answers when the last of them is answered. */
async function burst({ perSecond, seconds }, started) {
  const under = [];
  for (let count = Math.round(perSecond * seconds); under.length < count; ) {
    const due = started + (under.length * 1000) / perSecond;
    const wait = due - performance.now();
    if (wait > 0) await sleep(wait);
    else under.push(ask(due));
  }
  return Promise.all(under).then(() => performance.now() - started);
}

/** A burst begins when it is due, whether the one before has been answered or not. */
async function load() {
  const lasted = [];
  let due = performance.now();
  for (const each of bursts) {
    await sleep(Math.max(0, due - performance.now()));
    const answered = burst(each, due);
    lasted.push(answered);
    due += (each.seconds + each.idleSeconds) * 1000;
  }
  return (await Promise.all(lasted)).reduce((sum, ms) => sum + ms, 0);
}

async function main() {
  const busyMs = await load();
  const figures = { errors, perSecond: latencies.length / (busyMs / 1000), latenciesMs: latencies };
  console.log(JSON.stringify(figures));
  agent.destroy();
}

main();
