// The list of jobs: which are there, how far they are, which one is shown in full.

import { attribute, h, keyed, roving, show, text } from './dom.js';
import { name, number, time, whole } from './format.js';
import { progressOf, remainingText, waitText } from './progress.js';
import { stateMark } from './state.js';
import { submitForm } from './submit.js';

/** Where the job that is shown stands below the list, not beside it. */
const BELOW = matchMedia('(max-width: 60rem)');

const STATES = ['running', 'queued', 'done', 'failed', 'canceled'];

export function jobs(node, store, follow) {
  let filter = '';
  const filters = h('div', { class: 'filters', role: 'group', 'aria-label': 'Show jobs by state' });
  const submit = h('button', { type: 'button', class: 'primary', text: 'New video', onclick: () => submitForm(store) });
  const empty = h('p', { class: 'empty' });
  const list = h('ul', { class: 'jobs', role: 'listbox', 'aria-labelledby': 'jobs-title' });
  const older = h('button', { type: 'button', class: 'quiet', text: 'Show older jobs', onclick: () => store.showOlder() });
  node.append(
    h('header', {}, h('h2', { id: 'jobs-title', text: 'Jobs' }), submit),
    filters,
    empty,
    list,
    older,
  );
  const showFilters = keyed(filters, ([state]) => state, () => filterView((state) => {
    filter = filter === state ? '' : state;
    update();
  }));
  const showJobs = keyed(list, (job) => job.id, () => jobView(store, follow));
  roving(list, '[role=option]', (option) => store.select(option.dataset.id));

  function update() {
    const stateOf = (job) => name(job.state, 'JOB_STATE_');
    const counts = countsOf(store, stateOf);
    showFilters(STATES.map((state) => [state, counts[state], filter === state]));
    const shown = store.jobs.filter((job) => filter === '' || stateOf(job) === filter);
    if (!store.job(store.selected) && store.jobs.length > 0) {
      store.select((store.jobs.find((job) => job.state === 'JOB_STATE_RUNNING') ?? store.jobs[0]).id);
    }
    showJobs(shown);
    tabStop(list, store.selected);
    show(older, store.hasOlder);
    show(empty, shown.length === 0 && store.link.kind !== 'connecting');
    text(empty, filter === '' ? 'No jobs yet. “New video” submits one.' : `No job is ${filter}.`);
  }
  follow.addEventListener('change', update);
  return update;
}

/** What waits and runs is known for the whole cluster, the others of the list only. */
function countsOf(store, stateOf) {
  const counts = Object.fromEntries(STATES.map((state) => [state, 0]));
  store.jobs.forEach((job) => counts[stateOf(job)]++);
  if (store.status) {
    counts.running = number(store.status.runningJobs);
    counts.queued = number(store.status.queuedJobs);
  }
  return counts;
}

/** The selected job, or else the first one. */
function tabStop(list, selected) {
  const options = [...list.children];
  const stop = options.find((option) => option.dataset.id === selected) ?? options[0];
  options.forEach((option) => attribute(option, 'tabindex', option === stop ? 0 : -1));
}

function filterView(toggle) {
  let state = '';
  const node = h('button', { type: 'button', class: 'filter', onclick: () => toggle(state) });
  return {
    node,
    update([shown, howMany, isOn]) {
      state = shown;
      text(node, `${whole(howMany)} ${shown}`);
      attribute(node, 'data-state', shown);
      attribute(node, 'aria-pressed', String(isOn));
    },
  };
}

function jobView(store, follow) {
  const prompt = h('span', { class: 'prompt' });
  const state = stateMark();
  const about = h('span', { class: 'hint' });
  const progress = h('progress', { max: '1', 'aria-hidden': 'true' });
  const node = h('li', { role: 'option' }, prompt, state.node, about, progress);
  node.addEventListener('click', () => {
    store.select(node.dataset.id);
    node.focus();
    if (BELOW.matches) {
      document.getElementById('job').scrollIntoView();
    }
  });
  return {
    node,
    update(job) {
      node.dataset.id = job.id;
      const word = name(job.state, 'JOB_STATE_');
      const live = follow.of(job);
      const now = progressOf(job, live);
      text(prompt, job.request?.prompt || job.id);
      state.update(word);
      attribute(node, 'aria-selected', String(job.id === store.selected));
      text(about, [time(job.submittedAt), job.tenant, aboutState(job, live, now)].filter(Boolean).join(' · '));
      show(progress, word === 'running');
      if (progress.value !== now.share) {
        progress.value = now.share;
      }
    },
  };
}

function aboutState(job, live, now) {
  switch (job.state) {
    case 'JOB_STATE_QUEUED':
      return waitText(job, live);
    case 'JOB_STATE_RUNNING':
      return [now.words, remainingText(now.remaining)].filter(Boolean).join(', ');
    case 'JOB_STATE_FAILED':
      return job.error?.reason;
    default:
      return '';
  }
}
