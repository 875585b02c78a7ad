// The selected job while it waits and runs: its events and its previews, as they come. One job only, since a browser opens no more than
// six connections to a server; the others' progress comes with the list.

import { ApiError, events } from './api.js';
import { seconds } from './format.js';
import { isTerminal } from './store.js';

const RETRY_MS = 2_000;

/** Nobody gets another answer by asking again. */
const FINAL = new Set([400, 401, 403, 404]);

export class Follow extends EventTarget {
  #store;
  #jobId = '';
  /** The job that progress and preview are of. */
  #shown = '';

  #stop = new AbortController();

  /** What events have told of the job: {step, segment, remaining, decoded, frames, position, startsIn in seconds}. */
  progress = {};

  /** The newest preview: {segment, step, steps, png}; null: none. */
  preview = null;

  constructor(store) {
    super();
    this.#store = store;
    store.addEventListener('change', () => this.#choose());
    document.addEventListener('visibilitychange', () => this.#choose());
  }

  /** What is known of a job beside itself. */
  of(job) {
    return job.id === this.#shown ? this.progress : {};
  }

  previewOf(job) {
    return job.id === this.#shown ? this.preview : null;
  }

  #choose() {
    const job = this.#store.job(this.#store.selected);
    const isWanted = job && !isTerminal(job) && !document.hidden && this.#store.link.kind === 'live';
    const id = isWanted ? job.id : '';
    if (id === this.#jobId) {
      return;
    }
    this.#stop.abort();
    this.#jobId = id;
    if (job && job.id !== this.#shown) {
      this.#shown = job.id;
      this.progress = {};
      this.preview = null;
    }
    if (id !== '') {
      this.#stop = new AbortController();
      const { signal } = this.#stop;
      this.#keep(id, 'Watch', (event) => this.#happened(id, event), signal);
      if (job.request?.previewEvery > 0) {
        this.#keep(id, 'Previews', (preview) => this.#seen(preview), signal);
      }
    }
  }

  /** A stream that broke is opened again, from its beginning: what it tells is what it told before. */
  async #keep(jobId, method, onMessage, signal) {
    while (!signal.aborted) {
      try {
        await events('Generation', method, { jobId }, onMessage, signal);
        return;
      } catch (failure) {
        if (signal.aborted || (failure instanceof ApiError && FINAL.has(failure.status))) {
          return;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  #seen(preview) {
    this.preview = preview;
    this.dispatchEvent(new Event('change'));
  }

  #happened(id, event) {
    const now = this.progress;
    if (event.stepDone) {
      this.progress = { ...event.stepDone, decoded: 0, frames: 0 };
    } else if (event.framesDecoded) {
      this.progress = { ...now, ...event.framesDecoded, remaining: undefined };
    } else if (event.queued) {
      this.progress = { position: event.queued.position ?? 0, startsIn: seconds(event.queued.startsIn) };
    } else if (event.ended) {
      this.#store.put(event.ended);
    } else {
      // Planned, queued again, a segment done: the job itself has changed.
      this.progress = {};
      this.#store.refresh(id).catch(() => this.#store.poll());
    }
    this.dispatchEvent(new Event('change'));
  }
}
