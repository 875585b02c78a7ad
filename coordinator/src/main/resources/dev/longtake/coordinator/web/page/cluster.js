// The map of the cluster: every worker's card, those of a host together.

import { attribute, h, keyed, show, text } from './dom.js';
import { count } from './format.js';
import { hostOf, workerState } from './workers.js';
import { workerCard } from './worker-card.js';

/** With more workers than these, cards show less of each. */
const ROOMY = 12;

const STATES = ['working', 'measuring', 'idle', 'draining', 'silent', 'faulty', 'gone'];

export function cluster(node, store) {
  const counts = h('ul', { class: 'counts', 'aria-label': 'Workers by state' });
  const forget = h('button', {
    type: 'button',
    class: 'quiet',
    text: 'Forget those that are gone',
    onclick: () => store.forgetGone(),
  });
  const empty = h('p', { class: 'empty' });
  const hosts = h('div', { class: 'hosts' });
  node.append(
    h('header', {}, h('h2', { id: 'cluster-title', text: 'Cluster' }), counts, forget),
    empty,
    hosts,
  );
  const showCounts = keyed(counts, ([state]) => state, countView);
  const showHosts = keyed(hosts, (host) => host.name, () => hostView(store));

  return () => {
    const here = (store.status?.workers ?? []).map((worker) => ({ worker, goneAt: null }));
    const gone = store.gone.map(({ worker, at }) => ({ worker, goneAt: at }));
    const all = [...here, ...gone];
    const states = here.map(({ worker }) => workerState(worker, (id) => store.job(id)));
    showCounts(
      STATES.map((state) => [state, state === 'gone' ? gone.length : states.filter((other) => other === state).length]).filter(
        ([, howMany]) => howMany > 0,
      ),
    );
    show(forget, gone.length > 0);
    attribute(hosts, 'class', all.length > ROOMY ? 'hosts dense' : 'hosts');
    showHosts(byHost(all));
    show(empty, all.length === 0 && store.link.kind !== 'connecting');
    text(
      empty,
      store.statusProblem ||
        'No worker has joined. Start one: longtake worker --coordinator HOST:PORT --model DIR',
    );
  };
}

function byHost(entries) {
  const hosts = new Map();
  entries
    .toSorted((a, b) => compareIds(a.worker.description.id, b.worker.description.id))
    .forEach((entry) => {
      const name = hostOf(entry.worker);
      hosts.set(name, [...(hosts.get(name) ?? []), entry]);
    });
  return [...hosts].map(([name, workers]) => ({ name, workers })).toSorted((a, b) => compareIds(a.name, b.name));
}

/** w2 before w10. */
function compareIds(a, b) {
  return a.localeCompare(b, 'en', { numeric: true });
}

function countView() {
  const node = h('li');
  return {
    node,
    update([state, howMany]) {
      text(node, `${howMany} ${state}`);
      attribute(node, 'data-state', state);
    },
  };
}

function hostView(store) {
  const title = h('h3');
  const cards = h('ul', { class: 'cards' });
  const showCards = keyed(cards, ({ worker }) => worker.description.id, () => workerCard(store));
  return {
    node: h('div', { class: 'host' }, title, cards),
    update({ name, workers }) {
      const { processors } = workers[0].worker.description;
      text(title, `${name} · ${processors ? `${count(processors, 'processor')} · ` : ''}${count(workers.length, 'worker')}`);
      showCards(workers);
    },
  };
}
