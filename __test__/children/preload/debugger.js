'use strict';
// A debugger that lets the process at this address go on, for as long as the process lives.

const socket = new WebSocket(process.argv[2]);
socket.onopen = () => socket.send('{"id":1,"method":"Runtime.runIfWaitingForDebugger"}');
