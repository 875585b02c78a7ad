// What was found made instead of being made again: encoded prompts at the coordinator, prepared texts at each worker.

import { bar, h, keyed, show, text } from './dom.js';
import { bytes, number, percent, whole } from './format.js';

export function caches(node, store) {
  const rows = h('tbody');
  const table = h(
    'table',
    {},
    h(
      'thead',
      {},
      h('tr', {}, ...['Cache', 'Hits', 'Misses', 'Hit rate', 'Texts', 'Bytes of limit', 'Used by jobs', 'Evicted', 'Failed'].map((name) => h('th', { scope: 'col', text: name }))),
    ),
    rows,
  );
  const empty = h('p', { class: 'empty', text: 'No cache has told of itself yet.' });
  node.append(
    h('header', {}, h('h2', { id: 'caches-title', text: 'Caches' })),
    empty,
    h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-labelledby': 'caches-title' }, table),
  );
  const showRows = keyed(rows, ({ name }) => name, rowView);

  return () => {
    const all = [];
    if (store.status?.embeddingCache) {
      all.push({ name: 'encoded prompts', cache: store.status.embeddingCache });
    }
    for (const worker of store.status?.workers ?? []) {
      if (worker.conditionCache) {
        all.push({ name: `prepared texts of ${worker.description.id}`, cache: worker.conditionCache });
      }
    }
    showRows(all);
    show(empty, all.length === 0);
    show(table, all.length > 0);
  };
}

function rowView() {
  const name = h('th', { scope: 'row' });
  const cells = Array.from({ length: 8 }, () => h('td'));
  const [hits, misses, hitRate, entries, size, pinned, evicted, failed] = cells;
  const sizeText = h('span');
  const sizeBar = bar('fill');
  size.append(sizeText, sizeBar.node);
  return {
    node: h('tr', {}, name, ...cells),
    update({ name: shown, cache }) {
      const asked = number(cache.hits) + number(cache.misses);
      const limit = number(cache.limitBytes);
      text(name, shown);
      text(hits, whole(cache.hits));
      text(misses, whole(cache.misses));
      text(hitRate, asked > 0 ? percent(number(cache.hits) / asked) : '–');
      text(entries, whole(cache.entries));
      text(sizeText, limit > 0 ? `${bytes(cache.bytes)} of ${bytes(limit)}` : 'off');
      sizeBar.update(
        [{ kind: 'used', share: limit > 0 ? number(cache.bytes) / limit : 0, title: '' }],
        limit > 0 ? percent(number(cache.bytes) / limit) : 'off',
      );
      text(pinned, bytes(cache.pinnedBytes));
      text(evicted, whole(cache.evictions));
      text(failed, whole(cache.failedLoads));
    },
  };
}
