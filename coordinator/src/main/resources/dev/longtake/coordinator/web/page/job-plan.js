// How a job is divided, what the planner expects of that, and the plans that lost, each with the reason.

import { call } from './api.js';
import { attribute, facts, h, keyed, show, text } from './dom.js';
import { bytes, number, seconds, span, whole } from './format.js';
import { blocksText, branches, placeOf, planText, ranks, stages } from './plans.js';

const CANDIDATES = 20;

export function planOf(store) {
  const none = h('p', { class: 'empty', text: 'The job has not been planned yet.' });
  const reason = h('p', { class: 'reason' });
  const expected = facts(['Plan', 'One step', 'Exchange not hidden', 'Jobs in flight']);
  const rows = h('tbody');
  const table = h(
    'table',
    {},
    h('caption', { text: 'Who has which part' }),
    h(
      'thead',
      {},
      h('tr', {}, ...['Rank', 'Worker', 'Branch', 'Stage', 'Blocks', 'Sequence rank', 'Share', 'Compute', 'Memory', 'Sent'].map((name) => h('th', { scope: 'col', text: name }))),
    ),
    rows,
  );
  const about = h('p', { class: 'hint' });
  const problem = h('p', { class: 'problem', role: 'alert' });
  const others = h('ol', { class: 'candidates' });
  const again = h('button', { type: 'button', class: 'quiet', text: 'Explain again', onclick: () => explain() });
  const chosen = h(
    'div',
    { class: 'stack' },
    reason,
    expected.node,
    h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Who has which part' }, table),
  );
  const node = h('div', { class: 'stack' }, none, chosen, h('h3', { text: 'All plans for this request' }), about, problem, others, again);
  const showRows = keyed(rows, (row) => row.rank, rankView);
  const showOthers = keyed(others, (candidate) => candidate.key, candidateView);
  let job = null;
  let explained = '';

  async function explain() {
    const { id, request } = job;
    explained = id;
    text(problem, '');
    // The planner's own choice, also where the request asked for a plan.
    const asked = { ...request, plan: undefined };
    try {
      const answer = await call('Cluster', 'Explain', { request: asked, limit: CANDIDATES });
      if (job.id !== id) {
        return;
      }
      const candidates = answer.candidates ?? [];
      text(
        about,
        `As of now, over all workers that are there, busy or not: ${whole(answer.considered)} plans considered, ` +
          `the best ${whole(candidates.length)} shown; ${whole(answer.textTokens)} text tokens assumed.`,
      );
      showOthers(candidates.map((candidate, at) => ({ ...candidate, key: `${id} ${at}`, isOfJob: isSame(candidate, job) })));
    } catch (failure) {
      text(problem, failure.message);
      showOthers([]);
    }
  }

  return {
    node,
    update(now) {
      job = now;
      const { plan } = now;
      show(none, !plan);
      show(chosen, Boolean(plan));
      if (plan) {
        text(reason, plan.reason ?? '');
        showExpected(expected, plan);
        showRows(rankRows(now, store.status?.model?.blocks ?? 0));
      }
      if (explained !== now.id) {
        showOthers([]);
        text(about, '');
        explain();
      }
    },
  };
}

function isSame(candidate, job) {
  return Boolean(job.plan) && planText(candidate.plan) === planText(job.plan);
}

function showExpected(expected, plan) {
  const { prediction } = plan;
  expected.set('Plan', planText(plan));
  expected.set('One step', prediction ? span(seconds(prediction.step)) : 'not predicted');
  expected.set('Exchange not hidden', prediction ? span(seconds(prediction.exposedExchange)) : '');
  expected.set('Jobs in flight', prediction?.jobsInFlight > 1 ? whole(prediction.jobsInFlight) : '');
}

function rankRows(job, blocks) {
  const { plan } = job;
  return (job.workerIds ?? []).map((worker, rank) => ({
    rank,
    worker,
    plan,
    place: placeOf(plan, rank, blocks),
    prediction: plan.prediction?.workers?.[rank],
  }));
}

function rankView() {
  const rank = h('th', { scope: 'row' });
  const cells = Array.from({ length: 9 }, () => h('td'));
  return {
    node: h('tr', {}, rank, ...cells),
    update({ rank: at, worker, plan, place, prediction }) {
      const shares = plan.sequenceShares ?? [];
      text(rank, at);
      [
        worker,
        `${place.branch + 1} of ${branches(plan)}`,
        `${place.stage + 1} of ${stages(plan)}`,
        place.end > 0 ? blocksText(place) : 'all',
        `${place.sequenceRank + 1} of ${ranks(plan)}`,
        shares.length > 0 ? String(shares[place.sequenceRank]) : 'equal',
        prediction ? span(seconds(prediction.compute)) : '–',
        prediction ? bytes(prediction.memoryBytes) : '–',
        prediction ? bytes(prediction.sentBytes) : '–',
      ].forEach((value, column) => text(cells[column], value));
    },
  };
}

function candidateView() {
  const plan = h('strong');
  const numbers = h('span', { class: 'hint' });
  const reason = h('p');
  const node = h('li', {}, plan, numbers, reason);
  return {
    node,
    update(candidate) {
      const { prediction } = candidate.plan;
      const memory = Math.max(0, ...(prediction?.workers ?? []).map((worker) => number(worker.memoryBytes)));
      text(plan, planText(candidate.plan));
      text(
        numbers,
        [
          prediction ? `${span(seconds(prediction.step))} per step` : '',
          memory > 0 ? `at most ${bytes(memory)} on a worker` : '',
          (candidate.workerIds ?? []).join(', '),
          candidate.isOfJob ? 'this job’s plan' : '',
        ]
          .filter(Boolean)
          .join(' · '),
      );
      text(reason, candidate.reason ?? '');
      attribute(node, 'data-chosen', Boolean(candidate.chosen));
    },
  };
}
