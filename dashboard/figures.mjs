// Key figures, and the tables of all figures, under the names that the API gives them.

import { el, setText, showFigure } from './dom.mjs';
import { bytes, count, duration, NONE, percent } from './format.mjs';

/** Numbers that are not bytes. */
const KINDS = {
  version: count,
  threads: count,
  fds: count,
  nativeContexts: count,
  detachedContexts: count,
  arenas: count,
  backgroundThreads: count,
  ageMs: duration,
  oomKills: count,
  purges: count,
  purgeMs: duration,
  flips: count,
  collections: count,
};

const formatOf = (name, value) =>
  typeof value === 'string' || typeof value === 'boolean' ? String : KINDS[name];

const TABLES = {
  process: ['Process', 'as the kernel counts it'],
  v8: ['V8', 'this thread’s heap, and what Node.js counts beside it'],
  allocator: ['Allocator', 'in jemalloc’s terms, whichever it is'],
  cgroup: ['Container', 'the memory cgroup with the lowest limit'],
  governor: ['Governor', 'what it sees and has done'],
};

const isShown = ([, value]) => value === null || typeof value !== 'object';

/** Answers what shows a snapshot in tables below `box`. */
export function figuresView(box) {
  const tables = new Map(
    Object.entries(TABLES).map(([key, [title, about]]) => {
      const list = el('dl', {});
      box.append(
        el('section', {}, el('h3', {}, title), el('p', { className: 'quiet' }, about), list),
      );
      return [key, { list, rows: new Map() }];
    }),
  );

  const rowOf = ({ list, rows }, name) => {
    if (!rows.has(name)) {
      const value = el('data', {});
      rows.set(name, value);
      list.append(el('div', {}, el('dt', {}, name), el('dd', {}, value)));
    }
    return rows.get(name);
  };

  return (snapshot) => {
    for (const [key, table] of tables) {
      const figures = snapshot[key];
      table.list.parentElement.hidden = figures === null;
      for (const [name, value] of Object.entries(figures ?? {}).filter(isShown)) {
        showFigure(rowOf(table, name), value, formatOf(name, value));
      }
    }
  };
}

const TILES = {
  rss: ['RSS', 'what the system counts', ({ process }) => process.rss],
  heap: ['V8 heap in use', 'JavaScript objects', ({ v8 }) => v8.heapUsed],
  gap: ['Gap', 'RSS without V8’s heap', ({ gap }) => gap],
  allocated: [
    'Allocated',
    'native memory in use, Buffers too',
    ({ allocator }) => allocator.allocated,
  ],
  freed: [
    'Freed, kept',
    'a purge returns most of it',
    (_, parts) => sum(parts, ['dirty', 'muzzy']),
  ],
  pinned: ['Fragmentation', 'no purge can return it', (_, parts) => parts?.pinned?.bytes ?? null],
};

/** Of what is known; `null` where nothing is. */
function sum(parts, names) {
  const known = names
    .map((name) => parts?.[name]?.bytes)
    .filter((size) => typeof size === 'number');
  return known.length === 0 ? null : known.reduce((total, size) => total + size, 0);
}

const reasonOf = (notes, fields) =>
  notes.find(({ field }) => field === '*' || fields.includes(field))?.reason ?? 'not known';

function headroomTile() {
  const value = el('data', {}, NONE);
  const meter = el('meter', {
    min: 0,
    max: 1,
    low: 0.7,
    high: 0.9,
    optimum: 0,
    'aria-label': 'Share of the memory limit that is taken',
  });
  const about = el('span', { className: 'quiet' });
  const tile = el(
    'div',
    { className: 'tile' },
    el('dt', {}, 'Room to the limit'),
    el('dd', {}, value, meter, about),
  );
  const update = ({ cgroup: { limit, unreclaimable }, notes }) => {
    const isKnown = limit !== null && unreclaimable !== null;
    const taken = isKnown ? unreclaimable / limit : null;
    showFigure(value, isKnown ? limit - unreclaimable : null);
    meter.hidden = !isKnown;
    if (isKnown) meter.value = taken;
    const words = `${percent(taken)} of ${bytes(limit)} taken; at 100 % the kernel kills`;
    setText(about, isKnown ? words : reasonOf(notes, ['cgroup.limit', 'cgroup.unreclaimable']));
  };
  return { tile, update };
}

/** Answers what shows a snapshot, and the ledger of the last diagnosis, as tiles in `list`. */
export function tilesView(list) {
  const tiles = Object.values(TILES).map(([name, about, read]) => {
    const value = el('data', {}, NONE);
    const words = el('span', { className: 'quiet' }, about);
    const tile = el('div', { className: 'tile' }, el('dt', {}, name), el('dd', {}, value, words));
    return { tile, update: (snapshot, parts) => showFigure(value, read(snapshot, parts)) };
  });
  const all = [...tiles, headroomTile()];
  list.append(...all.map(({ tile }) => tile));
  return (snapshot, ledger) => {
    for (const { update } of all) update(snapshot, ledger?.parts);
  };
}
