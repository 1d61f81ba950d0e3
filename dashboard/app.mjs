// The page: what comes from the server goes to the views, each of which owns a part of the page.

import { Chart } from './charts.mjs';
import { byId, el, setText } from './dom.mjs';
import { eventsView } from './events.mjs';
import { figuresView, tilesView } from './figures.mjs';
import { clock } from './format.mjs';
import { History, stackReaders } from './history.mjs';
import { inspectButton } from './inspect.mjs';
import { ledgerView } from './ledger.mjs';
import { GROUPS, groupBytes } from './parts.mjs';
import { profileSection } from './profile.mjs';
import { purgeButton } from './purge.mjs';
import { BASE } from './requests.mjs';
import { follow } from './stream.mjs';
import { verdictView } from './verdict.mjs';

const SPANS = { '2 minutes': 120_000, '10 minutes': 600_000, '1 hour': 3_600_000 };
/** A limit far above all else would press the chart flat: it is then said in words only. */
const LIMIT_IN_SIGHT = 5;

const history = new History();
const page = {
  process: null,
  /** Whether the one before it was another. */
  isOther: false,
  figures: null,
  diagnosis: null,
  paused: false,
  isLimitInSight: false,
};

/** Of the container's limit, and what counts against it: where the chart reaches high enough to show them. */
const ifInSight = (read) => (sample) => (page.isLimitInSight ? read(sample) : null);

const stacks = stackReaders(GROUPS);
const areas = GROUPS.map(({ key, name }, i) => ({
  name,
  ink: key,
  kind: 'area',
  read: stacks[i],
  shown: ({ ledger }) => groupBytes(ledger)[i],
}));

const charts = [
  new Chart(byId('chart-ledger'), {
    title: 'RSS by its parts',
    about: 'parts of RSS, stacked, with RSS and the memory limit as lines.',
    height: 320,
    marks: () => history.events,
    series: [
      // The lower ones are drawn over the higher.
      ...areas.toReversed(),
      { name: 'RSS', ink: 'text', read: ({ rss }) => rss },
      {
        name: 'Counts against the limit',
        ink: 'taken',
        kind: 'dotted',
        read: ifInSight(({ unreclaimable }) => unreclaimable),
      },
      {
        name: 'Limit',
        ink: 'limit',
        kind: 'dashed',
        read: ifInSight(({ limit }) => limit),
      },
    ],
  }),
  new Chart(byId('chart-gap'), {
    title: 'The gap',
    about: 'RSS, and RSS without V8’s heap.',
    series: [
      { name: 'RSS', ink: 'text', read: ({ rss }) => rss },
      { name: 'Gap', ink: 'native', read: ({ gap }) => gap },
    ],
  }),
  new Chart(byId('chart-allocator'), {
    title: 'The allocator',
    about: 'allocated, active and resident bytes.',
    series: [
      { name: 'Resident', ink: 'freed', read: ({ resident }) => resident },
      { name: 'Active', ink: 'pinned', read: ({ active }) => active },
      { name: 'Allocated', ink: 'native', read: ({ allocated }) => allocated },
    ],
  }),
  new Chart(byId('chart-v8'), {
    title: 'V8',
    about: 'its heap, what of it is in use, and Buffers.',
    series: [
      { name: 'Heap', ink: 'code', read: ({ heapTotal }) => heapTotal },
      { name: 'In use', ink: 'v8', read: ({ heapUsed }) => heapUsed },
      { name: 'Buffers', ink: 'buffers', read: ({ arrayBuffers }) => arrayBuffers },
    ],
  }),
];

const showTiles = tilesView(byId('tiles'));
const showFigures = figuresView(byId('figures'));
const showLedger = ledgerView(byId('ledger'));
const showVerdict = verdictView(byId('verdict-said'), byId('findings'), byId('verdict-spoken'));
const showEvents = eventsView(byId('events'), byId('no-events'));

const pid = () => page.process.pid;
const showProfiler = profileSection(pid);

const GLIBC = ' With glibc this is malloc_trim, which stalls threads that allocate while it runs.';

function showMissing() {
  const notes = [...(page.figures?.notes ?? []), ...(page.diagnosis?.notes ?? [])];
  const box = byId('missing');
  box.hidden = notes.length === 0;
  const lines = notes.map(({ field, reason }) => `${field === '*' ? 'all' : field}: ${reason}`);
  if (lines.join() === box.dataset.said) return;
  box.dataset.said = lines.join();
  box.querySelector('ul').replaceChildren(...lines.map((line) => el('li', {}, line)));
}

function draw() {
  if (page.paused || page.figures === null || history.last === null) return;
  const ms = Number(byId('span').value);
  const { limit } = history.last;
  page.isLimitInSight = limit !== null && limit < LIMIT_IN_SIGHT * history.highest(ms, 'rss');
  for (const chart of charts) chart.show(history, ms);
  showTiles(page.figures, page.diagnosis?.ledger);
  showFigures(page.figures);
  showEvents(history.events);
  showMissing();
  if (!page.diagnosis) return;
  showLedger(page.diagnosis.ledger);
  showVerdict(page.diagnosis);
}

let isDue = false;
/** Once a frame, and not at all in a tab that nobody sees. */
function drawSoon() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    draw();
  });
}

const isSame = (one, other) =>
  one.pid === other.pid && one.started === other.started && one.host === other.host;

const whoIs = ({ pid, host, node }) => `process ${pid} on ${host}, Node.js ${node}`;

/** In a container the next process has the same id as the one before. */
const changeOf = (before, { pid, host }) =>
  before.pid === pid && before.host === host
    ? `process ${pid} on ${host} had been started anew`
    : `another process answered: it was ${before.pid} on ${before.host}, and it is ${pid} on ${host} now`;

function showProcess(hello) {
  const { version, title } = hello;
  const before = page.process;
  page.process = hello;
  page.isOther = before !== null && !isSame(before, hello);
  setText(byId('title'), title);
  document.title = `${title} · memory`;
  setText(byId('version'), `heapgap ${version}`);
  setText(byId('who'), whoIs(hello));
  byId('inspect').disabled = false;
  showProfiler(hello.profile);
  if (!page.isOther) return;
  byId('notice').hidden = false;
  setText(byId('notice'), `At ${clock(Date.now())} ${changeOf(before, hello)}.`);
  page.diagnosis = null;
  page.figures = null;
}

const STATES = {
  live: 'Live',
  lost: 'Connection lost. Trying again…',
  silent:
    'Nothing has come for some seconds: the service’s event loop may be blocked, or the network is down.',
};

byId('purge-about').dataset.said = byId('purge-about').textContent.trim();
byId('span').append(
  ...Object.entries(SPANS).map(([name, ms]) => el('option', { value: String(ms) }, name)),
);
byId('span').addEventListener('change', drawSoon);
byId('pause').addEventListener('click', ({ currentTarget }) => {
  page.paused = !page.paused;
  currentTarget.ariaPressed = String(page.paused);
  drawSoon();
});
byId('json').href = `${BASE.pathname.replace(/\/$/, '')}?format=json`;
purgeButton(byId('purge'), byId('purge-said'), pid);
inspectButton(byId('inspect'), byId('inspect-said'), byId('inspected'), pid);

follow({
  hello: showProcess,
  history(kept) {
    if (page.isOther) history.clear();
    history.merge(kept);
    drawSoon();
  },
  sample({ row, figures }) {
    history.add(row);
    page.figures = figures;
    const { name, version } = figures.allocator;
    const allocator = `${name}${version ? ` ${version.split('-')[0]}` : ''}`;
    setText(byId('who'), `${whoIs(page.process)}, ${allocator}`);
    setText(
      byId('purge-about'),
      byId('purge-about').dataset.said + (name === 'glibc' ? GLIBC : ''),
    );
    byId('purge').disabled = false;
    drawSoon();
  },
  diagnosis(found) {
    page.diagnosis = found;
    drawSoon();
  },
  state(state) {
    document.body.dataset.state = state;
    setText(byId('state'), STATES[state]);
  },
});
