// The coordinator's calls. Every call has a deadline; whoever streams hands in a signal that ends it.

const KEY = 'longtake-api-key';
const DEADLINE_MS = 15_000;

/** A call that was refused, or found nobody. */
export class ApiError extends Error {
  constructor(status, error) {
    super(error.message || `Expected an answer of the coordinator, but got HTTP status ${status}`);
    this.status = status;
    this.reason = error.reason || '';
    this.field = error.field || '';
  }

  /** Nobody answered, or not in time. */
  get isUnreachable() {
    return this.status === 0;
  }
}

export function hasKey() {
  return sessionStorage.getItem(KEY) !== null;
}

/** For this tab, until it is closed; null forgets it. */
export function setKey(key) {
  if (key === null) {
    sessionStorage.removeItem(KEY);
  } else {
    sessionStorage.setItem(KEY, key);
  }
}

function headers() {
  const key = sessionStorage.getItem(KEY);
  return key === null ? {} : { authorization: `Bearer ${key}` };
}

async function request(path, options, signal) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...options.headers, ...headers() }, signal });
  } catch (failure) {
    if (signal.aborted && signal.reason?.name !== 'TimeoutError') {
      throw failure;
    }
    throw unanswered();
  }
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    throw new ApiError(response.status, body.error ?? {});
  }
  return response;
}

function unanswered() {
  return new ApiError(0, { message: 'The coordinator does not answer' });
}

/** A unary call, for example `call('Cluster', 'Status')`. */
export async function call(service, method, message = {}) {
  const options = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(message),
  };
  const response = await request(`/api/${service}/${method}`, options, AbortSignal.timeout(DEADLINE_MS));
  return response.json();
}

/**
 * A streaming call, as server-sent events; returns when its end was told. Not an EventSource, which can't show a key.
 */
export async function events(service, method, parameters, onMessage, signal) {
  const query = new URLSearchParams(parameters);
  const response = await request(`/api/${service}/${method}?${query}`, {}, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      throw unanswered();
    }
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop();
    for (const { type, data } of blocks.map(parsed)) {
      switch (type) {
        case 'end':
          return;
        case 'error':
          throw new ApiError(data.error.code, data.error);
        case 'message':
          onMessage(data);
          break;
        default:
        // A comment, which says that the stream lives.
      }
    }
  }
}

function parsed(block) {
  let type = '';
  let data = '';
  for (const line of block.split('\n')) {
    if (line.startsWith('event: ')) {
      type = line.slice(7);
    } else if (line.startsWith('data: ')) {
      type ||= 'message';
      data += line.slice(6);
    }
  }
  return { type, data: data && JSON.parse(data) };
}

/** What every worker did when, of a job that is done. */
export async function trace(jobId, signal) {
  return (await request(jobPath(jobId, 'trace'), {}, signal)).json();
}

/**
 * Where a <video> finds the job's video. With a key that is a copy in memory, since the element can't show one; the caller revokes it.
 */
export async function videoAddress(jobId, signal) {
  const path = jobPath(jobId, 'video');
  return hasKey() ? URL.createObjectURL(await (await request(path, {}, signal)).blob()) : path;
}

function jobPath(jobId, what) {
  return `/api/jobs/${encodeURIComponent(jobId)}/${what}`;
}
