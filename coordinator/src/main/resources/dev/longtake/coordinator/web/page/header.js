// Whether what is shown is current, which model is served, and the numbers that say at a glance how things are.

import { hasKey, setKey } from './api.js';
import { attribute, h, show, text } from './dom.js';
import { count, time, whole } from './format.js';

const WORDS = { lost: 'unreachable' };

/** Nothing new comes. */
const STALE = new Set(['lost', 'standby', 'refused']);

export function header(node, store) {
  const model = h('span', { class: 'model' });
  const workers = h('span');
  const jobs = h('span');
  const link = h('span', { class: 'link' });
  // Without a key the next call is refused, which asks for one.
  const key = h('button', {
    type: 'button',
    class: 'quiet',
    onclick: () => {
      setKey(null);
      store.poll();
    },
  });
  const banner = h('p', { class: 'banner', role: 'alert', hidden: true });
  node.append(
    h('h1', { text: 'Longtake' }),
    model,
    h('div', { class: 'numbers' }, workers, jobs, link, key),
    banner,
  );

  return () => {
    const { status } = store;
    const card = status?.model;
    text(
      model,
      card
        ? `${card.name} · ${card.architecture} · ${card.blocks} blocks · ${whole(card.parameters)} parameters · coordinator ${status.version}`
        : status
          ? `no model yet: no worker has joined · coordinator ${status.version}`
          : '',
    );
    attribute(model, 'title', model.textContent);
    text(workers, status ? count(status.workers?.length ?? 0, 'worker') : '');
    text(jobs, status ? `${whole(status.runningJobs)} running, ${whole(status.queuedJobs)} queued` : '');
    const { kind, since, message } = store.link;
    text(link, WORDS[kind] ?? kind);
    attribute(link, 'data-kind', kind);
    show(key, hasKey() || kind === 'locked');
    text(key, kind === 'locked' ? 'Enter key' : 'Forget key');
    const isStale = STALE.has(kind);
    document.body.classList.toggle('stale', isStale);
    show(banner, isStale);
    text(banner, isStale ? `${message.replace(/\.?$/, '.')} What is shown is of ${time(since)}. Trying again.` : '');
  };
}
