// Throughput and latency between workers, as they were measured: senders are rows, receivers are columns.

import { h, show } from './dom.js';
import { rate, span } from './format.js';

/** Backgrounds from slow to fast, in the style sheet. */
const SHADES = 4;

export function links(node, store) {
  const table = h('table', { class: 'matrix' });
  const empty = h('p', {
    class: 'empty',
    text: 'No link has been measured. That happens when two workers have joined and nothing works on their hosts.',
  });
  node.append(
    h(
      'header',
      {},
      h('h2', { id: 'links-title', text: 'Links' }),
      h('p', { class: 'hint', text: 'bytes per second, and one way of the smallest message; from row to column' }),
    ),
    empty,
    h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-labelledby': 'links-title' }, table),
  );
  let shown = '';

  return () => {
    const all = store.status?.links ?? [];
    const key = JSON.stringify(all);
    if (key === shown) {
      return;
    }
    shown = key;
    show(empty, all.length === 0);
    show(table, all.length > 0);
    table.replaceChildren(...matrix(all));
  };
}

function matrix(all) {
  const byEnds = new Map(all.map((link) => [`${link.fromWorker} ${link.toWorker}`, link]));
  const ids = [...new Set(all.flatMap((link) => [link.fromWorker, link.toWorker]))].sort((a, b) =>
    a.localeCompare(b, 'en', { numeric: true }),
  );
  const rates = all.map((link) => link.bytesPerSecond);
  const [least, most] = [Math.min(...rates), Math.max(...rates)];
  const shade = (link) => (most > least ? Math.round((SHADES * (link.bytesPerSecond - least)) / (most - least)) : SHADES);
  const head = h('tr', {}, h('th', { scope: 'col', text: 'from \\ to' }), ...ids.map((id) => h('th', { scope: 'col', text: id })));
  const body = ids.map((from) =>
    h('tr', {}, h('th', { scope: 'row', text: from }), ...ids.map((to) => cell(byEnds.get(`${from} ${to}`), shade))),
  );
  return [h('thead', {}, head), h('tbody', {}, ...body)];
}

function cell(link, shade) {
  return link
    ? h(
        'td',
        { 'data-shade': shade(link) },
        h('span', { text: rate(link.bytesPerSecond) }),
        h('span', { class: 'hint', text: span(link.latencySeconds ?? 0) }),
      )
    : h('td', { class: 'none', text: '–' });
}
