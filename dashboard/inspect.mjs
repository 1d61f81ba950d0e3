// What takes longer to read: when it is asked for.

import { el, figure, head, setText, table } from './dom.mjs';
import { bytes, clock, count, NONE } from './format.mjs';
import { askProcess } from './requests.mjs';

const SHOWN = 25;

const size = (read) => ({ read, format: bytes });
const number = (read) => ({ read, format: count });
const words = (read) => ({ read, isText: true });

const figuresOf = (...names) =>
  Object.fromEntries(names.map((name) => [name, size((row) => row[name])]));

const TABLES = [
  {
    title: 'Arenas',
    about: 'Parts of the allocator that threads share; each keeps freed memory of its own.',
    rows: ({ arenas }) => arenas,
    columns: {
      arena: number(({ index }) => index),
      threads: number(({ threads }) => threads),
      ...figuresOf(
        'allocated',
        'active',
        'dirty',
        'muzzy',
        'pinned',
        'resident',
        'free',
        'metadata',
        'retained',
      ),
    },
  },
  {
    title: 'Size classes',
    about: 'Which sizes of objects are in use, and the free room that they pin, the largest first.',
    rows: ({ sizeClasses }) => sizeClasses,
    columns: {
      size: size((row) => row.size),
      kind: words(({ kind }) => kind),
      count: number((row) => row.count),
      bytes: size((row) => row.bytes),
      waste: size(({ waste }) => waste),
    },
  },
  {
    title: 'Mappings by kind',
    about: 'The address space, as the kernel counts it.',
    rows: ({ mappings }) => mappings?.kinds,
    columns: {
      kind: words(({ kind }) => kind),
      count: number((row) => row.count),
      ...figuresOf('size', 'rss', 'anonymous', 'hugePages', 'lazyFree', 'swap'),
    },
  },
  {
    title: 'The largest mappings',
    about: 'By what of them is resident.',
    rows: ({ mappings }) => mappings?.largest,
    columns: {
      kind: words(({ kind }) => kind),
      name: words(({ name }) => name),
      ...figuresOf('size', 'rss'),
    },
  },
  {
    title: 'Threads',
    about: 'By name.',
    rows: ({ threads }) => threads,
    columns: { name: words(({ name }) => name), count: number((row) => row.count) },
  },
  {
    title: 'Worker threads',
    about: 'Their V8 heaps.',
    rows: ({ workers }) => workers,
    columns: {
      thread: number(({ threadId }) => threadId),
      ...figuresOf('heapUsed', 'heapTotal', 'heapPhysical', 'external'),
    },
  },
];

function cellOf({ read, format, isText }, row) {
  const value = read(row) ?? null;
  return el(
    'td',
    { className: isText ? 'about' : 'number' },
    isText ? (value ?? NONE) : figure(value, format),
  );
}

function tableOf({ title, about, rows, columns }, inspection) {
  const all = rows(inspection);
  if (!all?.length) return [];
  const used = Object.entries(columns).filter(([, { read }]) =>
    all.some((row) => (read(row) ?? null) !== null),
  );
  const more = all.length > SHOWN ? ` The first ${SHOWN} of ${all.length}.` : '';
  return [
    el('h3', {}, title),
    el('p', { className: 'quiet' }, about + more),
    table(
      title,
      used.map(([name, { isText }]) => head(name, !isText)),
      all
        .slice(0, SHOWN)
        .map((row) => el('tr', {}, ...used.map(([, column]) => cellOf(column, row)))),
    ),
  ];
}

/** Wires the button: `said` tells how it went, `box` has the tables; `pid` gives the process that the page shows. */
export function inspectButton(button, said, box, pid) {
  const isOther = ({ answer }) => answer !== undefined && answer.pid !== pid();
  button.addEventListener('click', async () => {
    if (button.ariaDisabled === 'true') return;
    button.ariaDisabled = 'true';
    try {
      const inspection = await askProcess('GET', 'inspect', isOther);
      box.replaceChildren(...TABLES.flatMap((each) => tableOf(each, inspection)));
      setText(said, `As of ${clock(inspection.time)}.`);
    } catch (error) {
      setText(said, `Not inspected: ${error.message}.`);
    }
    button.ariaDisabled = null;
  });
}
