'use strict';
// The page's pictures, each from the figures alone.

const { GOVERNED, UNGOVERNED } = require('../contenders.js');
const survivalPlot = require('../governor/plot.js').plot;
const {
  COLOURS,
  FONT,
  GREY,
  LETTER,
  SMALL,
  apart,
  bottomAxis,
  brief,
  leftAxis,
  linear,
  logarithmic,
  path,
  picture,
  rule,
  text,
} = require('../svg.js');

const WIDTH = 860;
const [OWN, OTHER] = COLOURS;
const colourOf = (name) => ([GOVERNED, UNGOVERNED].includes(name) ? OWN : OTHER);
const plain = (title) => title.replaceAll('`', '');
const widthOf = (label, size = FONT) => label.length * size * LETTER;

/** Boxes for `count` panels, some in a row: where each one's axes are. */
function panels(count, { columns, left, top, width, height, gapX, gapY }) {
  return Array.from({ length: count }, (_, i) => {
    const x = left + (i % columns) * (width + gapX);
    const y = top + Math.floor(i / columns) * (height + gapY);
    const isLowest = i + columns >= count;
    return { x, y, right: x + width, bottom: y + height, isFirst: i % columns === 0, isLowest };
  });
}

// RSS over time

const RSS_PANELS = {
  columns: 3,
  left: 52,
  top: 52,
  width: 242,
  height: 130,
  gapX: 28,
  gapY: 48,
};

/** When each burst begins and ends, in seconds. */
function burstTimes(bursts) {
  let from = 0;
  return bursts.map(({ seconds, idleSeconds }) => {
    const burst = [from, from + seconds];
    from += seconds + idleSeconds;
    return burst;
  });
}

/** The most of each pixel: what is between two of them is not seen. */
function sampled(series, x, y) {
  const points = new Map();
  for (const [second, mb] of series) {
    const at = Math.round(x.of(second));
    points.set(at, Math.max(points.get(at) ?? 0, mb));
  }
  return [...points].map(([at, mb]) => [at, y.of(mb)]);
}

/** A cross where the kernel ended a run. */
function cross([x, y], colour) {
  const arms = `M${x - 4},${y - 4}l8,8m0,-8l-8,8`;
  return `<path d="${arms}" stroke="${colour}" stroke-width="2"/>`;
}

function lines(runs, scales, colour, attributes) {
  return runs.flatMap(({ outcome, series }) => {
    const points = sampled(series, scales.x, scales.y);
    if (points.length === 0) return [];
    const line = path(points, colour, attributes);
    const last = points.at(-1).map(Math.round);
    return outcome === 'survived' ? [line] : [line, cross(last, colour)];
  });
}

function shade([from, to], { x, y }) {
  const [left, right] = [x.of(from), x.of(to)];
  const [bottom, top] = y.range;
  return `<rect x="${left.toFixed(1)}" y="${top}" width="${Math.max(0, right - left).toFixed(1)}" height="${bottom - top}" fill="${GREY}" fill-opacity="0.12"/>`;
}

function rssPanel({ name, title }, box, { workload, seconds, most }) {
  const x = linear(seconds, [box.x, box.right], { count: 6, tight: true });
  const y = linear(most, [box.bottom, box.y], { count: 4 });
  const scales = { x, y };
  const floor = workload.floor?.peakMb;
  const reference = name === 'glibc' ? [] : (workload.runs.glibc ?? []);
  const dashed = 'stroke-dasharray="5 4"';
  return [
    text(box.x, box.y - 8, title, `font-weight="600" fill="${colourOf(name)}"`),
    ...burstTimes(workload.bursts).map((burst) => shade(burst, scales)),
    bottomAxis(x, [box.y, box.bottom], { title: box.isLowest ? 'seconds' : '' }),
    leftAxis(y, [box.x, box.right], { numbers: box.isFirst }),
    ...(floor === undefined ? [] : [rule(box.x, y.of(floor), box.right, y.of(floor), dashed)]),
    ...lines(reference, scales, GREY, 'stroke-opacity="0.8"'),
    ...lines(workload.runs[name], scales, colourOf(name), 'stroke-width="1.5"'),
  ];
}

/** A panel for each contender, with glibc behind it. */
function rss(workload, contenders) {
  const here = contenders.filter(({ name }) => workload.runs[name]?.length > 0);
  const series = here.flatMap(({ name }) => workload.runs[name].flatMap((run) => run.series));
  const ends = burstTimes(workload.bursts).map(([, to]) => to);
  const most = [...series.map(([, mb]) => mb), workload.floor?.peakMb ?? 0];
  const shared = {
    workload,
    seconds: [...series.map(([second]) => second), ...ends].reduce((a, b) => Math.max(a, b), 0),
    most: most.reduce((a, b) => Math.max(a, b), 0),
  };
  const boxes = panels(here.length, RSS_PANELS);
  const height = (boxes.at(-1)?.bottom ?? 0) + 42;
  const key =
    'RSS, MB, of a run in the middle by its peak; grey line: that of glibc; dashed: the floor’s peak; shaded: requests are due; ✕: killed';
  return picture({ width: WIDTH, height, title: `${workload.title}: RSS over time` }, [
    text(8, 18, key, `font-size="${SMALL + 1}"`),
    ...here.flatMap((one, i) => rssPanel(one, boxes[i], shared)),
  ]);
}

// Latency

const LANE = 34;
const MARKS = [
  {
    key: 'p50',
    title: 'p50',
    colour: COLOURS[0],
    shape: (x, y) => `<circle cx="${x}" cy="${y}" r="5"/>`,
  },
  {
    key: 'p99',
    title: 'p99',
    colour: COLOURS[1],
    shape: (x, y) => `<rect x="${x - 5}" y="${y - 5}" width="10" height="10"/>`,
  },
  {
    key: 'p999',
    title: 'p99.9',
    colour: COLOURS[2],
    shape: (x, y) => `<path d="M${x},${y - 7}l7,7l-7,7l-7,-7z"/>`,
  },
];

const filled = (mark, x, y) =>
  `<g fill="${mark.colour}">${mark.shape(Math.round(x), Math.round(y))}</g>`;

/** The marks and their names, above the lanes. */
function keyOf(marks, left, y) {
  let x = left;
  return marks.flatMap((mark) => {
    const at = x + 8;
    x += widthOf(mark.title) + 44;
    return [filled(mark, at, y - 4), text(at + 12, y, mark.title, `fill="${mark.colour}"`)];
  });
}

function latencyLane({ title, figures, kills, runs }, y, left, scale) {
  const label = text(left - 12, y + 5, title, 'text-anchor="end"');
  if (kills > 0) return [label, text(left + 6, y + 5, `${kills} of ${runs} killed`)];
  const marks = MARKS.flatMap((mark) => {
    const figure = figures[mark.key];
    if (figure === null) return [];
    const [from, to] = [figure.min, figure.max].map(scale.of);
    const range = path(
      [
        [from, y],
        [to, y],
      ],
      mark.colour,
      'stroke-width="2"',
    );
    return [range, filled(mark, scale.of(figure.median), y)];
  });
  return [label, ...marks];
}

/** A lane for each contender of a summary: medians, and lines from the least to the most. */
function latency({ title, contenders }) {
  const left = 20 + Math.max(0, ...contenders.map((one) => widthOf(plain(one.title))));
  const top = 40;
  const bottom = top + contenders.length * LANE;
  const spreads = contenders.flatMap(({ figures }) => MARKS.map(({ key }) => figures[key]));
  const values = spreads.filter(Boolean).flatMap(({ min, median, max }) => [min, median, max]);
  const scale = logarithmic(values, [left, WIDTH - 24]);
  const head = { width: WIDTH, height: bottom + 44, title: `${title}: latency` };
  return picture(head, [
    ...keyOf(MARKS, left, 20),
    bottomAxis(scale, [top, bottom], {
      title: 'milliseconds from when a request was due',
      grid: true,
    }),
    ...contenders.flatMap((one, i) => latencyLane(one, top + (i + 0.5) * LANE, left, scale)),
  ]);
}

// Lines on two logarithmic scales

/** Points with ranges, joined; a label behind the last one. */
function rangedLine({ colour, dashed, points }, { x, y }) {
  const at = points.map(({ at: value, figure }) => [x.of(value), y.of(figure.median)]);
  const ranges = points.map(({ at: value, figure }) =>
    path(
      [
        [x.of(value), y.of(figure.min)],
        [x.of(value), y.of(figure.max)],
      ],
      colour,
      'stroke-opacity="0.6"',
    ),
  );
  const dots = at.map(
    ([cx, cy]) => `<circle cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}" r="2.5" fill="${colour}"/>`,
  );
  const line = path(at, colour, `stroke-width="1.5"${dashed ? ' stroke-dasharray="5 3"' : ''}`);
  return [...ranges, line, ...dots];
}

function endLabels(drawn, { x, y }, box) {
  const labels = drawn
    .filter(({ points }) => points.length > 0)
    .map(({ title, colour, points }) => ({
      title,
      colour,
      y: y.of(points.at(-1).figure.median) + 4,
    }));
  return apart(labels, FONT, box.bottom + 4).map((label) =>
    text(x.range[1] + 8, label.y, label.title, `fill="${label.colour}" font-size="${SMALL + 1}"`),
  );
}

const TIMES = [
  [1e6, 's'],
  [1e3, 'ms'],
  [0, 'µs'],
];
/** Microseconds in the unit that fits. */
function micros(value) {
  const [size, unit] = TIMES.find(([from]) => value >= from);
  return `${brief(value / (size || 1))} ${unit}`;
}

/** A panel: `drawn` are lines of `{ title, colour, points: { at, figure } }`, figures in microseconds. */
function timesPanel(drawn, box, { title, caption }) {
  const points = drawn.flatMap((one) => one.points);
  const scales = {
    x: logarithmic(
      points.map(({ at }) => at),
      [box.x, box.right],
    ),
    y: logarithmic(
      points.flatMap(({ figure }) => Object.values(figure)),
      [box.bottom, box.y],
    ),
  };
  return [
    text(box.x, box.y - 10, title, 'font-weight="600"'),
    bottomAxis(scales.x, [box.y, box.bottom], { title: caption }),
    leftAxis(scales.y, [box.x, box.right], { format: micros }),
    ...drawn.flatMap((one) => rangedLine(one, scales)),
    ...endLabels(drawn, scales, box),
  ];
}

const scaled = ({ median, min, max }, times) => ({
  median: median * times,
  min: min * times,
  max: max * times,
});

/** The calls whose cost grows: the figure, in microseconds. */
const CALLS = [
  { title: 'inspect()', of: ({ inspectMs }) => scaled(inspectMs, 1e3) },
  {
    title: '… its hold of the loop',
    of: ({ inspectLoopMs }) => scaled(inspectLoopMs, 1e3),
    dashed: true,
  },
  { title: 'memoryUsage()', of: ({ memoryUsageUs }) => memoryUsageUs },
  { title: 'snapshot()', of: ({ snapshotUs }) => snapshotUs },
  { title: 'stats()', of: ({ statsUs }) => statsUs },
].map((call, i) => ({ ...call, colour: COLOURS[i] }));

const GROWTH_PANELS = {
  columns: 2,
  left: 58,
  top: 34,
  width: 230,
  height: 170,
  gapX: 200,
  gapY: 76,
};

/** What calls cost as the process grows, a panel for each way to grow. */
function growth(all) {
  const boxes = panels(all.length, GROWTH_PANELS);
  const height = (boxes.at(-1)?.bottom ?? 0) + 44;
  return picture({ width: WIDTH, height, title: 'What calls cost as the process grows' }, [
    ...all.flatMap(({ unit, points }, i) => {
      const drawn = CALLS.map((call) => ({
        ...call,
        points: points.map((point) => ({ at: point.at, figure: call.of(point) })),
      }));
      return timesPanel(drawn, boxes[i], { title: `By ${unit}`, caption: unit });
    }),
  ]);
}

const PURGE_LINES = [
  { title: 'the purge', key: 'durationMs' },
  { title: 'longest delay of the loop', key: 'loopMs' },
  { title: '… without a purge', key: 'idleLoopMs', dashed: true },
].map((line, i) => ({ ...line, colour: COLOURS[i] }));

/** How long a purge takes, by what there is to purge. */
function purge(rows) {
  const box = { x: 64, y: 34, right: 640, bottom: 240 };
  const drawn = PURGE_LINES.map((line) => ({
    ...line,
    points: rows.map((row) => ({ at: row.dirtyMb.median, figure: scaled(row[line.key], 1e3) })),
  }));
  const head = { width: WIDTH, height: box.bottom + 44, title: 'How long a purge takes' };
  return picture(head, timesPanel(drawn, box, { title: 'purge()', caption: 'MB of dirty pages' }));
}

/** Kills by limit. */
function survival({ places }, contenders) {
  return survivalPlot({ free: contenders, limits: places });
}

module.exports = { growth, latency, purge, rss, survival };
