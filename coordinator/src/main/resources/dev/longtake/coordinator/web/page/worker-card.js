// One worker: what it is, what it does, which blocks it has, how full its memory is.

import { call } from './api.js';
import { confirm } from './dialogs.js';
import { attribute, bar, h, keyed, show, text } from './dom.js';
import { bytes, count, percent, seconds, time } from './format.js';
import { blocksText, placeText } from './plans.js';
import { stateMark } from './state.js';
import { assignments, memoryOf, workerState } from './workers.js';

/** The others are small, and in the bar's own words. */
const SHOWN_USES = 3;

export function workerCard(store) {
  const id = h('h4');
  const state = stateMark();
  const device = h('p', { class: 'device' });
  const fault = h('p', { class: 'problem' });
  const work = h('ul', { class: 'work' });
  const memory = h('p', { class: 'label' });
  const memoryBar = bar('memory');
  const uses = h('ul', { class: 'uses' });
  const showUses = keyed(uses, (part) => part.kind, useView);
  const alive = h('span', { class: 'hint' });
  const drain = h('button', { type: 'button', class: 'quiet', text: 'Drain' });
  const node = h(
    'li',
    { class: 'card' },
    h('header', {}, id, state.node),
    device,
    fault,
    work,
    h('div', { class: 'use' }, memory, memoryBar.node, uses),
    h('footer', {}, alive, drain),
  );
  const workOn = keyed(work, (assignment) => assignment.job.id, () => assignmentView(store));
  let workerId = '';
  drain.addEventListener('click', () => askToDrain(workerId, store));

  return {
    node,
    update({ worker, goneAt }) {
      const { description } = worker;
      workerId = description.id;
      const blocks = store.status?.model?.blocks ?? 0;
      const jobOf = (job) => store.job(job);
      const isHere = !goneAt;
      const word = isHere ? workerState(worker, jobOf) : worker.draining ? 'left' : 'gone';
      text(id, workerId);
      state.update(word);
      attribute(node, 'data-state', word);
      text(device, [description.device, description.deviceDetail, description.address].filter(Boolean).join(' · '));
      show(fault, isHere && Boolean(worker.fault));
      text(fault, worker.fault ?? '');
      workOn(isHere ? assignments(worker, jobOf, blocks).map((assignment) => ({ ...assignment, blocks })) : []);
      showUses(showMemory(isHere ? worker : null, memory, memoryBar));
      text(alive, isHere ? `heard of ${seconds(worker.sinceLastHeartbeat).toFixed(1)} s ago` : `${word} since ${time(goneAt)}`);
      show(drain, isHere && !worker.draining);
      attribute(drain, 'aria-label', `Drain worker ${workerId}`);
    },
  };
}

/** Returns the parts that are worth a word. */
function showMemory(worker, label, memoryBar) {
  const memory = worker && memoryOf(worker);
  show(label, Boolean(worker));
  show(memoryBar.node, Boolean(memory));
  if (!memory) {
    text(label, worker ? `${bytes(worker.description.memoryTotalBytes)} of memory` : '');
    return [];
  }
  const words = memory.parts.map((part) => `${purpose(part.kind)} ${bytes(part.bytes)}`);
  text(label, `${bytes(memory.used)} of ${bytes(memory.limit)}, at most ${bytes(memory.peak)} so far`);
  memoryBar.update(
    memory.parts.map((part, at) => ({ kind: part.kind, share: part.bytes / memory.limit, title: words[at] })),
    `Memory ${percent(memory.used / memory.limit)} full: ${words.join(', ') || 'empty'}`,
  );
  return memory.parts.slice(0, SHOWN_USES);
}

function purpose(kind) {
  return kind === 'condition' ? 'prepared texts' : kind;
}

function useView(part) {
  const words = h('span');
  return {
    node: h('li', {}, h('span', { class: `swatch part ${part.kind}` }), words),
    update(now) {
      text(words, `${purpose(now.kind)} ${bytes(now.bytes)}`);
    },
  };
}

/** A worker has more than one job where stages of a plan work on several in turn. */
function assignmentView(store) {
  const link = h('button', { type: 'button', class: 'link-like' });
  const split = h('span', { class: 'split' });
  const blocks = h('span', { class: 'hint' });
  const strip = h('span', { class: 'strip', role: 'img' }, h('span', { class: 'part' }));
  const node = h('li', {}, link, split, blocks, strip);
  let jobId = '';
  link.addEventListener('click', () => {
    store.select(jobId);
    document.getElementById('job').focus();
  });
  return {
    node,
    update({ job, place, blocks: all }) {
      jobId = job.id;
      text(link, job.request?.prompt || job.id);
      attribute(link, 'title', job.request?.prompt ?? '');
      show(strip, Boolean(place) && all > 0);
      if (!place) {
        return;
      }
      text(split, placeText(job.plan, place));
      text(blocks, `blocks ${blocksText(place)} of ${all}`);
      attribute(strip, 'aria-label', `Blocks ${blocksText(place)} of ${all}`);
      const part = strip.firstChild;
      part.style.marginLeft = `${(100 * place.start) / all}%`;
      part.style.width = `${(100 * (place.end - place.start)) / all}%`;
    },
  };
}

function askToDrain(workerId, store) {
  const jobs = store.status?.workers?.find((worker) => worker.description.id === workerId)?.jobIds?.length ?? 0;
  confirm(
    `Drain worker ${workerId}?`,
    `It gets no new work${jobs > 0 ? `, finishes ${count(jobs, 'job')}` : ''}, then leaves the cluster, and its process ends.`,
    'Drain it',
    async () => {
      await call('Cluster', 'Drain', { workerId });
      store.poll();
    },
  );
}
