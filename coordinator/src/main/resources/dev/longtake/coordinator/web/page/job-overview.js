// How a job is doing: what is seen of it, how far it is, what was asked for, where the time went.

import { h, facts, show, text } from './dom.js';
import { bytes, name, number, time, whole } from './format.js';
import { picture } from './picture.js';
import { planText, wireText } from './plans.js';
import { progressOf, remainingText, waitText } from './progress.js';
import { isTerminal } from './store.js';
import { times } from './times.js';

const FACTS = [
  'Job',
  'Plan',
  'Workers',
  'Video',
  'Size',
  'Steps',
  'Guidance',
  'Seed',
  'Precision',
  'Begins with',
  'Tenant',
  'Priority',
  'Submitted',
  'Deadline',
  'Reused',
  'SHA-256',
];

export function overview(store, follow) {
  const problem = h('p', { class: 'problem', role: 'alert' });
  const words = h('p', { class: 'progress-words' });
  const progress = h('progress', { max: '1', 'aria-label': 'Progress' });
  const image = picture();
  const about = facts(FACTS);
  const spent = times();
  const node = h(
    'div',
    { class: 'stack' },
    problem,
    words,
    progress,
    h('div', { class: 'columns' }, image.node, about.node),
    spent.node,
  );

  return {
    node,
    update(job) {
      const live = follow.of(job);
      const now = progressOf(job, live);
      show(problem, Boolean(job.error));
      text(problem, job.error ? `${job.error.message} (${job.error.reason})` : '');
      show(words, !isTerminal(job));
      text(words, job.state === 'JOB_STATE_QUEUED' ? capital(waitText(job, live)) : runningText(now));
      show(progress, !isTerminal(job));
      progress.value = now.share;
      image.update(job, follow.previewOf(job));
      showFacts(about, job);
      spent.update(job);
    },
  };
}

function runningText(now) {
  return [capital(now.words), remainingText(now.remaining)].filter(Boolean).join(', ');
}

function capital(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function showFacts(about, job) {
  const request = job.request ?? {};
  const { video } = job;
  about.set('Job', job.id);
  about.set('Plan', job.plan ? planText(job.plan) : '');
  about.set('Workers', (job.workerIds ?? []).join(', '));
  about.set(
    'Video',
    video ? `${video.width} × ${video.height}, ${whole(video.frames)} frames at ${video.fps}/s, ${bytes(video.sizeBytes)}` : '',
  );
  about.set('Size', sizeText(request));
  about.set('Steps', request.steps ? whole(request.steps) : '');
  about.set('Guidance', request.guidance === undefined ? '' : String(request.guidance));
  about.set('Seed', request.seed === undefined ? '' : String(request.seed));
  about.set('Precision', [name(request.precision, 'PRECISION_').replace('unspecified', ''), wireText(request.wireFormat)].filter(Boolean).join(', lossy wire '));
  about.set('Begins with', beginningText(job.beginning));
  about.set('Tenant', job.tenant);
  about.set('Priority', name(job.priority, 'PRIORITY_').replace(/unspecified|normal/, ''));
  about.set('Submitted', time(job.submittedAt));
  about.set('Deadline', time(job.deadlineAt));
  about.set('Reused', reuseText(job.reuse));
  about.set('SHA-256', video?.sha256);
}

function sizeText(request) {
  const segments = request.longVideo?.segments ?? 1;
  const enlarged = request.upscale > 1 ? `, enlarged ${request.upscale} times` : '';
  return `${request.width} × ${request.height}, ${request.frames} frames${segments > 1 ? ` × ${whole(segments)} segments` : ''}${enlarged}`;
}

function beginningText(beginning) {
  if (!beginning) {
    return '';
  }
  return number(beginning.segmentsBefore) > 0
    ? `${whole(beginning.segmentsBefore)} segments of another job`
    : `${whole(beginning.givenFrames)} given frames`;
}

function reuseText(reuse) {
  if (!reuse) {
    return '';
  }
  return [
    `prompts ${number(reuse.embeddingsReused)} of ${number(reuse.embeddingsReused) + number(reuse.encoderRuns)}`,
    `prepared texts ${number(reuse.conditionsReused)} of ${number(reuse.conditionsReused) + number(reuse.conditionsPrepared)}`,
  ].join(', ');
}
