'use strict';
// The terminal's alternate screen, its keys, and its way back.

// Control sequences: invisible-island.net/xterm/ctlseqs/ctlseqs.html. Without automatic wrapping a character that is
// wider than one column costs its line's end, and no other line.
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const CLEAR = '\u001b[2J';
const lineAt = (row) => `\u001b[${row};1H\u001b[2K`;

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];
const CTRL_C = '\u0003';

const { stdin, stdout } = process;

/** Whether there is a terminal that can do this. */
const isScreen = () => stdout.isTTY === true && process.env.TERM !== 'dumb';

/**
 * Takes the terminal over. `draw(size)` answers the lines; `onKey` is told each letter, and `q` for Ctrl-C. Whatever
 * ends the process, the terminal is given back before.
 */
function openScreen({ draw, onKey }) {
  let isOpen = true;

  function redraw() {
    if (!isOpen) return;
    // A serial line may not know its size.
    const lines = draw({ columns: stdout.columns || 80, rows: stdout.rows || 24 });
    stdout.write(lines.map((line, at) => lineAt(at + 1) + line).join(''));
  }

  function resized() {
    stdout.write(CLEAR);
    redraw();
  }

  function keyed(text) {
    // Arrows and their like come as one piece.
    if (text.startsWith('\u001b')) return;
    for (const letter of text) onKey(letter === CTRL_C ? 'q' : letter);
  }

  function close() {
    if (!isOpen) return;
    isOpen = false;
    if (stdin.isTTY) stdin.setRawMode(false).off('data', keyed).pause();
    stdout.off('resize', resized).write(LEAVE);
    process.off('exit', close);
    for (const signal of ENDING) process.off(signal, end);
  }

  function end(signal) {
    close();
    process.kill(process.pid, signal);
  }

  process.on('exit', close);
  for (const signal of ENDING) process.on(signal, end);
  stdout.on('resize', resized).write(ENTER + CLEAR);
  if (stdin.isTTY) stdin.setRawMode(true).setEncoding('utf8').on('data', keyed).resume();
  return { redraw, close };
}

module.exports = { isScreen, openScreen };
