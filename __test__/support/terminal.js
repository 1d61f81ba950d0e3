'use strict';
// A real terminal: tmux, of the test's own.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: wait } = require('node:timers/promises');
const { lacks } = require('./faulty.js');

const DEADLINE_MS = 30_000;
/** tmux tells nobody when its screen changes. */
const LOOK_EVERY_MS = 50;

function hasTmux() {
  try {
    execFileSync('tmux', ['-V']);
    return true;
  } catch {
    return false;
  }
}

/** A terminal with a shell in it; `null` where there is no tmux. */
function openTerminal(t, { columns, rows, env = {} }) {
  if (!hasTmux()) return lacks(t, 'tmux') ?? null;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-tmux-'));
  const socket = path.join(folder, 'socket');
  const { TMUX, NO_COLOR, ...rest } = process.env;
  const tmux = (...words) =>
    execFileSync('tmux', ['-u', '-f', '/dev/null', '-S', socket, ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...rest, LC_ALL: 'C.UTF-8', PS1: '$ ', ...env },
    });
  tmux('new-session', '-d', '-x', String(columns), '-y', String(rows), 'sh');
  t.after(() => {
    tmux('kill-server');
    fs.rmSync(folder, { recursive: true });
  });
  const lines = () => tmux('capture-pane', '-p').split('\n').slice(0, -1);
  const screen = () => lines().join('\n');

  async function until(pattern, look = screen) {
    const end = Date.now() + DEADLINE_MS;
    for (;;) {
      const text = look();
      if (pattern.test(text)) return text;
      if (Date.now() > end) throw new Error(`no ${pattern} came up in:\n${text}`);
      await wait(LOOK_EVERY_MS);
    }
  }

  return {
    until,
    lines,
    screen,
    type: (text) => tmux('send-keys', '-l', text),
    press: (key) => tmux('send-keys', key),
    run: (command) => tmux('send-keys', '-l', command) + tmux('send-keys', 'Enter'),
    resize: (width, height) => tmux('resize-window', '-x', String(width), '-y', String(height)),
    /** As its attributes are written, too. */
    styled: () => tmux('capture-pane', '-p', '-e'),
    /** Whether it is as a shell leaves it: the usual screen, with a cursor, and lines wrap. */
    modes: () =>
      tmux('display-message', '-p', '#{alternate_on} #{cursor_flag} #{wrap_flag}').trimEnd(),
    title: () => tmux('display-message', '-p', '#{pane_title}').trimEnd(),
  };
}

module.exports = { openTerminal };
