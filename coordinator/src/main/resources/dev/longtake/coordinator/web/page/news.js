// Tells screen readers what changed and matters: connection, workers that come, go or fail, jobs that end.

import { isTerminal } from './store.js';
import { name } from './format.js';

export function news(node, store) {
  let link = store.link.kind;
  let workers = null;
  let ended = null;

  return () => {
    const sentences = [];
    if (store.link.kind !== link) {
      link = store.link.kind;
      if (link === 'live') {
        sentences.push('Connected.');
      }
      // A loss is in the banner, which is an alert.
    }
    const now = new Map((store.status?.workers ?? []).map((worker) => [worker.description.id, worker.fault ?? '']));
    if (workers && store.status) {
      for (const [id, fault] of now) {
        if (!workers.has(id)) {
          sentences.push(`Worker ${id} has joined.`);
        } else if (fault && !workers.get(id)) {
          sentences.push(`Worker ${id} can't compute.`);
        }
      }
      for (const id of workers.keys()) {
        if (!now.has(id)) {
          sentences.push(`Worker ${id} is gone.`);
        }
      }
    }
    workers = store.status ? now : workers;
    const over = store.jobs.filter(isTerminal);
    if (ended) {
      over
        .filter((job) => !ended.has(job.id))
        .forEach((job) => sentences.push(`Job ${name(job.state, 'JOB_STATE_')}: ${job.request?.prompt ?? job.id}.`));
    }
    if (store.link.kind === 'live') {
      ended = new Set(over.map((job) => job.id));
    }
    if (sentences.length > 0) {
      node.textContent = sentences.join(' ');
    }
  };
}
