// What every worker did in one step of a job: as bars, and as a table.

import { trace } from './api.js';
import { attribute, h, keyed, show, text } from './dom.js';
import { percent, span, whole } from './format.js';
import { chart } from './timeline-chart.js';
import { readTrace, stepOf } from './trace.js';

export function timeline() {
  const note = h('p', { class: 'empty', role: 'status' });
  const range = h('input', { type: 'range', id: 'step', min: '1', step: '1' });
  const shownStep = h('output', { for: 'step' });
  const bars = chart();
  const rows = h('tbody');
  const columns = ['Worker', 'Compute', 'Exchange', 'Hidden exchange', 'Idle', 'Compute share'];
  const table = h(
    'table',
    {},
    h('caption', { text: 'The step in numbers' }),
    h('thead', {}, h('tr', {}, ...columns.map((name) => h('th', { scope: 'col', text: name })))),
    rows,
  );
  const legend = h(
    'ul',
    { class: 'legend' },
    ...[
      ['compute', 'compute'],
      ['exchange', 'exchange: bytes under way'],
      ['idle', 'idle: waits for others'],
    ].map(([kind, words]) => h('li', {}, h('span', { class: `swatch part ${kind}` }), words)),
  );
  const content = h(
    'div',
    { class: 'stack' },
    h('div', { class: 'steps' }, h('label', { for: 'step', text: 'Step' }), range, shownStep, legend),
    bars.node,
    h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'The step in numbers' }, table),
  );
  const node = h('div', { class: 'stack' }, note, content);
  const showRows = keyed(rows, (worker) => worker.name, workerView);
  let shown = '';
  let loading = new AbortController();
  let read = null;

  function showStep() {
    const step = stepOf(read, read.steps[range.value - 1]);
    text(shownStep, `${read.steps[range.value - 1]} of ${read.steps.length}, ${span((step.end - step.start) / 1e6)}`);
    bars.update(step);
    showRows(step.workers.map((worker) => ({ ...worker, all: step.end - step.start })));
  }

  function say(sentence) {
    show(note, sentence !== '');
    text(note, sentence);
  }

  async function load(job) {
    shown = job.id;
    loading.abort();
    loading = new AbortController();
    const { signal } = loading;
    show(content, false);
    say('Reading the trace …');
    try {
      const json = await trace(job.id, signal);
      if (signal.aborted) {
        return;
      }
      read = readTrace(json);
      if (read.steps.length === 0) {
        say('The trace has no steps.');
        return;
      }
      say(read.dropped > 0 ? `${whole(read.dropped)} spans did not fit into the trace, those of the last steps.` : '');
      attribute(range, 'max', read.steps.length);
      // The first step loads weights; the next ones are like all others.
      range.value = Math.min(2, read.steps.length);
      show(content, true);
      showStep();
    } catch (failure) {
      if (!signal.aborted) {
        say(failure.message);
      }
    }
  }

  range.addEventListener('input', showStep);

  return {
    node,
    update(job) {
      if (job.state !== 'JOB_STATE_DONE') {
        loading.abort();
        shown = '';
        show(content, false);
        say(
          job.state === 'JOB_STATE_FAILED' || job.state === 'JOB_STATE_CANCELED'
            ? 'Only jobs that are done have a time line.'
            : 'The time line comes when the job is done.',
        );
      } else if (shown !== job.id) {
        load(job);
      }
    },
  };
}

function workerView() {
  const name = h('th', { scope: 'row' });
  const cells = Array.from({ length: 5 }, () => h('td'));
  return {
    node: h('tr', {}, name, ...cells),
    update(worker) {
      text(name, worker.name);
      [worker.compute, worker.exchange, worker.hidden, worker.idle].forEach((micros, at) => text(cells[at], span(micros / 1e6)));
      text(cells[4], percent(worker.compute / Math.max(1, worker.all)));
    },
  };
}
