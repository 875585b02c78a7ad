// Tells screen readers what changed and matters: connection, workers that come, go or fail, jobs that end.

import { isTerminal } from './store.js';
import { name } from './format.js';

export function news(node, store) {
  let link = store.link.kind;
  let faults = null;
  let open = new Set();

  return () => {
    const sentences = [];
    // A loss is in the banner, which is an alert.
    if (store.link.kind === 'live' && link !== 'live') {
      sentences.push('Connected.');
    }
    link = store.link.kind;
    if (store.status) {
      const now = new Map((store.status.workers ?? []).map((worker) => [worker.description.id, worker.fault ?? '']));
      sentences.push(...changes(faults ?? now, now));
      faults = now;
    }
    store.jobs
      .filter((job) => open.has(job.id) && isTerminal(job))
      .forEach((job) => sentences.push(`Job ${name(job.state, 'JOB_STATE_')}: ${job.request?.prompt ?? job.id}.`));
    open = new Set(store.jobs.filter((job) => !isTerminal(job)).map((job) => job.id));
    if (sentences.length > 0) {
      node.textContent = sentences.join(' ');
    }
  };
}

/** From workers' faults by their ids, before and now. */
function changes(before, now) {
  const ids = [...new Set([...before.keys(), ...now.keys()])];
  return ids.flatMap((id) => {
    if (!before.has(id)) {
      return [`Worker ${id} has joined.`];
    }
    if (!now.has(id)) {
      return [`Worker ${id} is gone.`];
    }
    return now.get(id) && !before.get(id) ? [`Worker ${id} can't compute.`] : [];
  });
}
