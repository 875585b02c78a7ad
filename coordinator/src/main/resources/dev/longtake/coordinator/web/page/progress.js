// How far a job is, in words and as a share; from the job itself, and from its events where it is followed.

import { clock, count, number, seconds, whole } from './format.js';

/** {share, words, remaining}: `remaining` in seconds, undefined where nobody can say. */
export function progressOf(job, live = {}) {
  const steps = job.request?.steps ?? 0;
  const segments = job.request?.longVideo?.segments ?? 1;
  const segmentsDone = number(job.segmentsDone);
  const step = live.segment && live.segment - 1 < segmentsDone ? number(job.stepsDone) : Math.max(number(job.stepsDone), live.step ?? 0);
  const all = steps * segments;
  const done = Math.min(all, segmentsDone * steps + (segmentsDone < segments ? step : 0));
  const words = [];
  if (segments > 1) {
    words.push(`segment ${Math.min(segmentsDone + 1, segments)}/${segments}`);
  }
  words.push(`step ${segmentsDone < segments ? step : steps}/${steps}`);
  if (live.frames) {
    words.push(`frame ${live.decoded ?? 0}/${live.frames}`);
  } else if (number(job.framesDone) > 0) {
    words.push(`${count(number(job.framesDone), 'frame')} done`);
  }
  return {
    share: all > 0 ? done / all : 0,
    words: words.join(', '),
    remaining: live.remaining ? seconds(live.remaining) : predicted(job, all - done),
  };
}

/** From the plan's prediction, where no event has told. */
function predicted(job, stepsLeft) {
  const step = seconds(job.plan?.prediction?.step);
  return job.state === 'JOB_STATE_RUNNING' && step > 0 ? stepsLeft * step : undefined;
}

export function remainingText(remaining) {
  return remaining === undefined ? '' : `about ${clock(remaining)} left`;
}

/** Of a job that waits. */
export function waitText(job, live = {}) {
  if (job.waitingFor) {
    return job.waitingFor;
  }
  if (live.position === undefined) {
    return 'waits for workers';
  }
  const place = live.position === 0 ? 'is next' : `waits behind ${whole(live.position)} ${live.position === 1 ? 'job' : 'jobs'}`;
  return live.startsIn > 0 ? `${place}, starts in about ${clock(live.startsIn)}` : place;
}
