// What a worker is doing, from its status and the jobs it works on.

import { number, seconds } from './format.js';
import { placeOf } from './plans.js';

/** Two of the heartbeats that come every second are missing; after three the coordinator takes a worker out. */
const SILENT_SECONDS = 2;

/** The order is that of urgency. */
export function workerState(worker, jobOf) {
  if (worker.fault) {
    return 'faulty';
  }
  if (seconds(worker.sinceLastHeartbeat) > SILENT_SECONDS) {
    return 'silent';
  }
  if (worker.draining) {
    return 'draining';
  }
  const ids = worker.jobIds ?? [];
  if (ids.length === 0) {
    return 'idle';
  }
  // Measurements have ids of their own.
  return ids.some(jobOf) ? 'working' : 'measuring';
}

/** Jobs that a worker works on, each with its place in the job's plan. */
export function assignments(worker, jobOf, blocks) {
  return (worker.jobIds ?? [])
    .map(jobOf)
    .filter(Boolean)
    .map((job) => {
      const rank = (job.workerIds ?? []).indexOf(worker.description.id);
      return { job, place: job.plan && rank >= 0 ? placeOf(job.plan, rank, blocks) : null };
    });
}

/** The host's name: what the address says, as what workers call their host may be a machine's id. */
export function hostOf(worker) {
  const { address } = worker.description;
  return address.slice(0, address.lastIndexOf(':'));
}

/** {used, limit, parts: [{kind, bytes}]}, the largest parts first; null where it isn't known yet. */
export function memoryOf(worker) {
  if (!worker.memory) {
    return null;
  }
  const parts = Object.entries(worker.memory.bytesByPurpose ?? {})
    .map(([kind, bytes]) => ({ kind, bytes: number(bytes) }))
    .filter((part) => part.bytes > 0)
    .sort((a, b) => b.bytes - a.bytes);
  return {
    used: parts.reduce((sum, part) => sum + part.bytes, 0),
    peak: number(worker.memory.peakBytes),
    limit: number(worker.memory.limitBytes),
    parts,
  };
}
