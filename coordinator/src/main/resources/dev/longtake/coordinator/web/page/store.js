// What the page knows, and how it stays current: it asks for cluster and jobs every two seconds, less often when answers take long or
// don't come, and not at all while nobody looks.

import { call } from './api.js';

const POLL_MS = 2_000;
/** Answers may take this part of the time. */
const BUSY_SHARE = 0.2;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 10_000;
const FIRST_JOBS = 100;
const MAX_JOBS = 1000;
const KEPT_GONE = 16;

const TERMINAL = new Set(['JOB_STATE_DONE', 'JOB_STATE_FAILED', 'JOB_STATE_CANCELED']);

export function isTerminal(job) {
  return TERMINAL.has(job.state);
}

function kindOf(failure) {
  if (failure.isUnreachable) {
    return 'lost';
  }
  if (failure.status === 401) {
    return 'locked';
  }
  return failure.reason === 'NOT_LEADER' ? 'standby' : 'refused';
}

export class Store extends EventTarget {
  /**
   * connecting, live, lost (nobody answers), standby (another coordinator leads), refused (something else is wrong), locked (a key is
   * needed).
   */
  link = { kind: 'connecting', since: new Date(), message: '' };

  /** Of Cluster.Status; null before the first, and for those who may not see it. */
  status = null;

  /** Why there is no status. */
  statusProblem = '';

  /** Newest first. */
  jobs = [];

  /** Workers that were here while the page looked, newest first: {worker, at}. */
  gone = [];

  /** The id of the job that is shown in full; empty: none. */
  selected = '';

  #jobLimit = FIRST_JOBS;
  /** Grows with each job that came outside a list. */
  #puts = 0;
  #timer = 0;
  #retryMs = FIRST_RETRY_MS;
  #isAsking = false;
  #isTelling = false;

  start() {
    document.addEventListener('visibilitychange', () => this.poll());
    return this.poll();
  }

  /** There may be older jobs than those that are listed. */
  get hasOlder() {
    return this.jobs.length >= this.#jobLimit && this.#jobLimit < MAX_JOBS;
  }

  showOlder() {
    this.#jobLimit = MAX_JOBS;
    return this.poll();
  }

  select(id) {
    this.selected = id;
    this.#changed();
  }

  job(id) {
    return this.jobs.find((job) => job.id === id);
  }

  /** The job as a call has returned it, newer than the list. */
  put(job) {
    this.#puts++;
    const at = this.jobs.findIndex((known) => known.id === job.id);
    this.jobs = at < 0 ? [job, ...this.jobs] : this.jobs.with(at, job);
    this.#changed();
  }

  async refresh(id) {
    this.put(await call('Generation', 'Get', { jobId: id }));
  }

  /** Asks now, and again later. */
  async poll() {
    clearTimeout(this.#timer);
    if (document.hidden || this.#isAsking) {
      return;
    }
    this.#isAsking = true;
    const start = performance.now();
    let waitMs;
    try {
      await this.#ask();
      this.#retryMs = FIRST_RETRY_MS;
      waitMs = Math.max(POLL_MS, (performance.now() - start) / BUSY_SHARE);
      this.#link('live', '');
    } catch (failure) {
      waitMs = this.#failed(failure);
    } finally {
      this.#isAsking = false;
    }
    this.#changed();
    // Without a key there is nothing to ask for.
    if (this.link.kind !== 'locked') {
      this.#timer = setTimeout(() => this.poll(), waitMs);
    }
  }

  async #ask() {
    const puts = this.#puts;
    const [list, status] = await Promise.all([
      call('Generation', 'List', { limit: this.#jobLimit }),
      call('Cluster', 'Status').catch((failure) => {
        if (failure.status !== 403) {
          throw failure;
        }
        this.statusProblem = failure.message;
        return null;
      }),
    ]);
    if (puts === this.#puts) {
      // Else the list may be older than what came meanwhile; the next one is not.
      this.jobs = list.jobs ?? [];
    }
    this.#setStatus(status);
  }

  #setStatus(status) {
    const here = new Set((status?.workers ?? []).map((worker) => worker.description.id));
    const left = (this.status?.workers ?? []).filter((worker) => !here.has(worker.description.id));
    const at = new Date();
    this.gone = [...left.map((worker) => ({ worker, at })), ...this.gone]
      .filter((gone) => !here.has(gone.worker.description.id))
      .slice(0, KEPT_GONE);
    this.status = status;
    if (status) {
      this.statusProblem = '';
    }
  }

  /** Workers that are gone need not be remembered any longer. */
  forgetGone() {
    this.gone = [];
    this.#changed();
  }

  /** Returns when to try again, in milliseconds. */
  #failed(failure) {
    const kind = kindOf(failure);
    const waitMs = this.#retryMs;
    this.#retryMs = Math.min(2 * waitMs, MAX_RETRY_MS);
    this.#link(kind, failure.message);
    return waitMs;
  }

  #link(kind, message) {
    if (this.link.kind !== kind || this.link.message !== message) {
      const since = this.link.kind === kind ? this.link.since : new Date();
      this.link = { kind, since, message };
    }
  }

  /** Tells once for all that changes in one turn. */
  #changed() {
    if (!this.#isTelling) {
      this.#isTelling = true;
      queueMicrotask(() => {
        this.#isTelling = false;
        this.dispatchEvent(new Event('change'));
      });
    }
  }
}
