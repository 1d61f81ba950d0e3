'use strict';
// Loads heapgap/preload when this process is at work already, which must go on.

const { spawn } = require('node:child_process');
const dgram = require('node:dgram');
const net = require('node:net');

function report(text) {
  process.stdout.write(JSON.stringify({ name: require('../../..').allocator().name, text }));
}

const loadPreload = () => require('../../../lib/preload.js');

const WORK = {
  tcp() {
    const server = net
      .createServer((socket) => socket.end('served'))
      .listen(0, '127.0.0.1', () => {
        loadPreload();
        const socket = net.connect(server.address().port, '127.0.0.1').setEncoding('utf8');
        socket.once('data', (text) => server.close(() => report(text)));
      });
  },
  udp() {
    const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1', () => {
      loadPreload();
      socket.once('message', (text) => socket.close(() => report(String(text))));
      socket.send('served', socket.address().port, '127.0.0.1');
    });
  },
  process() {
    const child = spawn(process.execPath, ['-p', "'served'"], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    loadPreload();
    child.stdout.setEncoding('utf8').once('data', (text) => report(text.trim()));
  },
  connection() {
    const server = net.createServer((socket) => socket.end('served')).listen(0, '127.0.0.1');
    server.unref().once('listening', () => {
      const socket = net
        .connect(server.address().port, '127.0.0.1', loadPreload)
        .setEncoding('utf8');
      socket.once('data', report);
    });
  },
};

WORK[process.argv[2]]();
