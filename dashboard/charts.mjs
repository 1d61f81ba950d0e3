// The charts: uPlot, its colours from the style sheet, its legend and keys our own.

import { el, setText, showFigure } from './dom.mjs';
import { MARKS } from './events.mjs';
import { bytes, clock } from './format.mjs';

const MB = 2 ** 20;
/** The first samples are not to fill the whole width. */
const SHORTEST_S = 10;
/** Steps of the axis that are round in units of 1024. */
const INCREMENTS = [1 / 1024, 1, 1024].flatMap((unit) =>
  [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].map((n) => n * unit * MB),
);

const color = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Lines at the events, with a letter each at the top; those that would overlap have one letter. */
function drawMarks(u, events) {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  let free = Number.NEGATIVE_INFINITY;
  ctx.save();
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = 'center';
  const { min, max } = u.scales.x;
  for (const event of events.filter(({ time }) => time / 1000 >= min && time / 1000 <= max)) {
    const x = Math.round(u.valToPos(event.time / 1000, 'x', true));
    ctx.strokeStyle = color(event.kind === 'oom' ? 'limit' : 'mark');
    ctx.fillStyle = ctx.strokeStyle;
    ctx.setLineDash([2 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (x < free) continue;
    ctx.fillText(MARKS[event.kind], x, bbox.top - 3 * ratio);
    free = x + 12 * ratio;
  }
  ctx.restore();
}

const axis = (options) => ({
  stroke: () => color('text'),
  grid: { stroke: () => color('grid'), width: 1 },
  ticks: { stroke: () => color('grid'), width: 1 },
  font: '12px system-ui, sans-serif',
  ...options,
});

function seriesOf({ name, ink, kind = 'line' }) {
  const stroke = () => color(ink);
  if (kind === 'area') {
    return {
      label: name,
      fill: stroke,
      stroke,
      width: 0,
      points: { show: false },
      paths: uPlot.paths.stepped({ align: 1 }),
    };
  }
  const dash = { dashed: [8, 5], dotted: [2, 4] }[kind];
  return { label: name, stroke, width: 2, dash, points: { show: false } };
}

/**
 * A chart in a `figure`. `series` are `{ name, ink, kind, read, shown }`: `read` gives what is drawn at a sample, `shown`
 * what the legend says, where that is another. `marks()` gives events.
 */
export class Chart {
  #series;
  #legend;
  #plot = null;
  #box;
  #said;
  #samples = [];
  #at;
  #marks;

  constructor(figure, { title, about, series, height = 180, marks = () => [] }) {
    this.#series = series;
    this.#marks = marks;
    this.#box = el('div', {
      className: 'chart',
      tabIndex: 0,
      role: 'img',
      'aria-label': `${title}: ${about} Left and right arrow keys move through the samples.`,
    });
    this.#legend = series.map(({ name, ink, kind = 'line' }) => {
      const value = el('data', {}, '');
      const swatch = el('span', { className: `swatch ${kind} ink-${ink}`, 'aria-hidden': 'true' });
      const item = el('li', {}, swatch, `${name} `, value);
      return { value, item };
    });
    this.#at = el('li', { className: 'at' });
    this.#said = el('p', { className: 'unseen', 'aria-live': 'polite' });
    figure.append(
      el('figcaption', {}, title),
      this.#box,
      el('ul', { className: 'legend' }, this.#at, ...this.#legend.map(({ item }) => item)),
      this.#said,
    );
    if (typeof uPlot === 'undefined') {
      this.#box.replaceWith(
        el(
          'p',
          { className: 'quiet' },
          'No charts: the package uplot is not installed beside heapgap.',
        ),
      );
      return;
    }
    this.#draw(height);
    this.#box.addEventListener('keydown', (event) => this.#onKey(event));
    this.#box.addEventListener('blur', () => this.#plot.setCursor({ left: -10, top: -10 }));
  }

  #draw(height) {
    const options = {
      width: Math.max(this.#box.clientWidth, 200),
      height,
      // Room for the events' letters.
      padding: [18, null, null, null],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false },
        sync: { key: 'heapgap' },
        points: { show: false },
      },
      scales: {
        x: { range: (_, min, max) => [Math.min(min, max - SHORTEST_S), max] },
        y: { range: (_, _min, max) => [0, Math.max(max * 1.06, MB)] },
      },
      series: [{}, ...this.#series.map(seriesOf)],
      axes: [
        axis({ values: (_, times) => times.map((time) => clock(time * 1000)), space: 90 }),
        axis({ values: (_, sizes) => sizes.map(bytes), incrs: INCREMENTS, size: 64 }),
      ],
      hooks: {
        setCursor: [(u) => this.#read(u.cursor.idx)],
        draw: [(u) => drawMarks(u, this.#marks())],
      },
    };
    this.#plot = new uPlot(options, [[], ...this.#series.map(() => [])], this.#box);
    new ResizeObserver(() => {
      this.#plot.setSize({ width: Math.max(this.#box.clientWidth, 200), height });
    }).observe(this.#box);
    // Colours are read when drawn.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () =>
      this.#plot.redraw(),
    );
  }

  #onKey(event) {
    const step = {
      ArrowLeft: -1,
      ArrowRight: 1,
      Home: Number.NEGATIVE_INFINITY,
      End: Number.POSITIVE_INFINITY,
    }[event.key];
    if (step === undefined || this.#samples.length === 0) return;
    event.preventDefault();
    const last = this.#samples.length - 1;
    const index = Math.min(Math.max((this.#plot.cursor.idx ?? last) + step, 0), last);
    const left = this.#plot.valToPos(this.#samples[index].time / 1000, 'x');
    this.#plot.setCursor({ left, top: 10 });
    setText(
      this.#said,
      this.#legend
        .filter(({ item }) => !item.hidden)
        .map(({ item }) => item.textContent)
        .join(', '),
    );
  }

  /** The legend: the sample under the cursor, or the newest. */
  #read(index) {
    const sample = this.#samples[index ?? this.#samples.length - 1];
    if (!sample) return;
    setText(this.#at, clock(sample.time));
    this.#series.forEach(({ read, shown = read }, i) => {
      showFigure(this.#legend[i].value, sample.isGap ? null : shown(sample));
    });
  }

  /** Shows the last `ms` of a history. */
  show(history, ms) {
    const { samples, times, values } = history.columns(
      ms,
      this.#series.map(({ read }) => read),
    );
    this.#samples = samples;
    this.#legend.forEach(({ item }, i) => {
      item.hidden = values[i].every((value) => value === null);
    });
    this.#plot?.setData([times, ...values]);
    this.#read(this.#plot?.cursor.idx);
  }
}
