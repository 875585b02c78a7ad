// Where a job's time went, by stage and by worker; known when it is done.

import { bar, h, keyed, show, text } from './dom.js';
import { bytes, percent, seconds, span } from './format.js';

export function times() {
  const stages = h('tbody');
  const workers = h('tbody');
  const node = h(
    'div',
    { class: 'times' },
    table('Where the time went', ['Stage', 'Time', ''], stages),
    table(
      'Each worker, from the first step to the last',
      ['Worker', 'Compute', 'Exchange', 'Hidden exchange', 'Idle', '', 'Sent', 'Memory'],
      workers,
    ),
  );
  const showStages = keyed(stages, (row) => row.stage, stageView);
  const showWorkers = keyed(workers, (row) => row.workerId, workerView);
  return {
    node,
    update(job) {
      const stageTimes = job.stageTimes ?? [];
      show(node, stageTimes.length > 0);
      const longest = Math.max(...stageTimes.map((row) => seconds(row.duration)), 0.001);
      showStages(stageTimes.map((row) => ({ ...row, longest })));
      showWorkers(job.rankTimes ?? []);
    },
  };
}

function table(caption, columns, body) {
  const head = h('tr', {}, ...columns.map((name) => h('th', { scope: 'col', text: name })));
  return h(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    h('table', {}, h('caption', { text: caption }), h('thead', {}, head), body),
  );
}

function stageView() {
  const stage = h('th', { scope: 'row' });
  const duration = h('td');
  const share = bar('fill');
  return {
    node: h('tr', {}, stage, duration, h('td', { class: 'wide' }, share.node)),
    update(row) {
      text(stage, row.stage);
      text(duration, span(seconds(row.duration)));
      share.update([{ kind: 'used', share: seconds(row.duration) / row.longest, title: '' }], '');
    },
  };
}

function workerView() {
  const id = h('th', { scope: 'row' });
  const cells = Array.from({ length: 4 }, () => h('td'));
  const share = bar('kinds');
  const sent = h('td');
  const memory = h('td');
  return {
    node: h('tr', {}, id, ...cells, h('td', { class: 'wide' }, share.node), sent, memory),
    update(row) {
      const [compute, exchange, hidden, idle] = [row.compute, row.exchangeExposed, row.exchangeHidden, row.idle].map(seconds);
      const all = Math.max(seconds(row.sampling), 1e-9);
      text(id, row.workerId);
      [compute, exchange, hidden, idle].forEach((value, at) => text(cells[at], span(value)));
      share.update(
        [
          { kind: 'compute', share: compute / all, title: `compute ${percent(compute / all)}` },
          { kind: 'exchange', share: exchange / all, title: `exchange ${percent(exchange / all)}` },
          { kind: 'idle', share: idle / all, title: `idle ${percent(idle / all)}` },
        ],
        `compute ${percent(compute / all)}, exchange ${percent(exchange / all)}, idle ${percent(idle / all)}`,
      );
      text(sent, bytes(row.sentBytes));
      text(memory, bytes(row.peakDeviceBytes));
    },
  };
}
