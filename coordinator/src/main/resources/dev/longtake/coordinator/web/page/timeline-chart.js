// One step as bars: for each worker what it did as a whole, and thinner what its parts did. Spans too narrow to be seen alone are drawn as
// one, so that a step of many thousand spans is a few paths; the pointer and the arrow keys find each of them.

import { attribute, h, svg, text } from './dom.js';
import { span as duration } from './format.js';

const WHOLE_PX = 16;
const PART_PX = 9;
const GAP_PX = 2;
const LABEL_PX = 72;
/** Drawn in this order, so that what is short and matters is on top. */
const KINDS = ['idle', 'wait', 'other', 'compute', 'exchange'];

export function chart() {
  const details = h('p', { class: 'details', role: 'status' });
  const rows = h('div', { class: 'rows', role: 'group', 'aria-label': 'Time line; arrow keys move among spans and rows' });
  const axis = h('div', { class: 'axis', 'aria-hidden': 'true' });
  const node = h('div', { class: 'chart' }, rows, axis, details);
  let drawn = [];
  let step = null;

  function draw() {
    const widthPx = rows.clientWidth;
    if (!step || widthPx === 0) {
      return;
    }
    const scale = { from: step.start, perPx: Math.max(1, step.end - step.start) / widthPx, widthPx };
    drawn = [];
    rows.replaceChildren(
      ...step.workers.map((worker) =>
        h(
          'div',
          { class: 'worker' },
          h('p', {}, h('strong', { text: worker.name }), h('span', { class: 'hint', text: summary(worker, step) })),
          ...worker.rows.map((row, at) => {
            const view = rowView(worker, row, at === 0 ? WHOLE_PX : PART_PX, scale, step, tell);
            drawn.push(view);
            return view.node;
          }),
        ),
      ),
    );
    drawn.forEach((view, at) => attribute(view.node, 'tabindex', at === 0 ? 0 : -1));
    axis.replaceChildren(...ticks(step, widthPx));
  }

  function tell(sentence) {
    text(details, sentence);
  }

  rows.addEventListener('keydown', (event) => {
    const at = drawn.findIndex((view) => view.node === event.target);
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    const other = drawn[at + ({ ArrowUp: -1, ArrowDown: 1 }[event.key] ?? NaN)];
    if (at < 0 || (move === undefined && !other)) {
      return;
    }
    event.preventDefault();
    if (other) {
      attribute(drawn[at].node, 'tabindex', -1);
      attribute(other.node, 'tabindex', 0);
      other.node.focus();
    } else {
      drawn[at].move(move);
    }
  });
  new ResizeObserver(draw).observe(rows);

  return {
    node,
    update(now) {
      step = now;
      tell('Point at a bar, or use the arrow keys on one, for what it is.');
      draw();
    },
  };
}

function summary(worker, step) {
  const all = Math.max(1, step.end - step.start);
  const share = (micros) => `${Math.round((100 * micros) / all)} %`;
  return `compute ${share(worker.compute)}, exchange ${share(worker.exchange)}, idle ${share(worker.idle)}`;
}

function rowView(worker, row, heightPx, scale, step, tell) {
  const mark = svg('rect', { class: 'mark', y: 0, height: heightPx, width: 0 });
  const paths = KINDS.map((kind) => svg('path', { class: kind, d: pathOf(row.spans, kind, heightPx, scale) }));
  const node = svg(
    'svg',
    {
      width: scale.widthPx,
      height: heightPx + GAP_PX,
      role: 'img',
      'aria-label': `${worker.name}, ${row.name}: ${row.spans.length} spans`,
    },
    ...paths,
    mark,
  );
  const spans = row.spans.toSorted((a, b) => a.start - b.start);
  let at = -1;

  function point(index) {
    at = index;
    const span = spans[at];
    attribute(mark, 'x', (span.start - scale.from) / scale.perPx);
    attribute(mark, 'width', Math.max(1, (span.end - span.start) / scale.perPx));
    tell(
      `${worker.name}, ${row.name}: ${span.name}, ${span.kind}, ${duration((span.end - span.start) / 1e6)} ` +
        `from ${duration((span.start - step.start) / 1e6)} on`,
    );
  }

  node.addEventListener('pointermove', (event) => {
    const micros = scale.from + event.offsetX * scale.perPx;
    const found = nearest(spans, micros, scale.perPx);
    if (found >= 0) {
      point(found);
    }
  });
  node.addEventListener('pointerleave', () => attribute(mark, 'width', 0));
  node.addEventListener('focus', () => point(Math.max(0, at)));
  node.addEventListener('blur', () => attribute(mark, 'width', 0));
  return {
    node,
    move(by) {
      point(Math.min(spans.length - 1, Math.max(0, at + by)));
    },
  };
}

/** The last span that has begun, if it lasts until then or almost; -1: none. */
function nearest(spans, micros, slack) {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle].start <= micros + slack) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low > 0 && spans[low - 1].end >= micros - 2 * slack ? low - 1 : -1;
}

/** Rectangles of a kind, those that touch as one, none thinner than half a pixel. */
function pathOf(spans, kind, heightPx, { from, perPx }) {
  let path = '';
  let left = -1;
  let right = -1;
  const flush = () => {
    if (right > left) {
      path += `M${left.toFixed(2)} 0H${right.toFixed(2)}V${heightPx}H${left.toFixed(2)}z`;
    }
  };
  for (const span of spans) {
    if (span.kind !== kind) {
      continue;
    }
    const start = (span.start - from) / perPx;
    const end = Math.max(start + 0.5, (span.end - from) / perPx);
    if (start > right + 0.25) {
      flush();
      left = start;
      right = end;
    } else {
      right = Math.max(right, end);
    }
  }
  flush();
  return path;
}

function ticks(step, widthPx) {
  const all = (step.end - step.start) / 1e6;
  const wanted = Math.max(2, Math.floor(widthPx / 90));
  const raw = all / wanted;
  const ten = 10 ** Math.floor(Math.log10(raw));
  const each = [1, 2, 5, 10].map((factor) => factor * ten).find((candidate) => candidate >= raw);
  const marks = [];
  for (let at = 0; at <= all * 0.95; at += each) {
    const mark = h('span', { text: at === 0 ? '0' : duration(at) });
    mark.style.left = `${(100 * at) / all}%`;
    // A label that would stick out stands before its mark.
    mark.classList.toggle('before', (1 - at / all) * widthPx < LABEL_PX);
    marks.push(mark);
  }
  return marks;
}
