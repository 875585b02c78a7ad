// A job's trace: what every worker's parts did when. Read from Chrome's trace event format, times in microseconds.

/** {workers: [{name, lanes: [{name, spans: [{name, kind, step, start, end}]}]}], steps: [1, 2, ...], dropped}. */
export function readTrace(json) {
  const workers = new Map();
  const workerOf = (pid) => {
    if (!workers.has(pid)) {
      workers.set(pid, { name: `rank ${pid}`, lanes: new Map() });
    }
    return workers.get(pid);
  };
  const laneOf = ({ pid, tid }) => {
    const { lanes } = workerOf(pid);
    if (!lanes.has(tid)) {
      lanes.set(tid, { name: `part ${tid}`, spans: [] });
    }
    return lanes.get(tid);
  };
  const steps = new Set();
  for (const event of json.traceEvents) {
    if (event.name === 'process_name') {
      workerOf(event.pid).name = event.args.name;
    } else if (event.name === 'thread_name') {
      laneOf(event).name = event.args.name;
    } else if (event.ph === 'X') {
      const { step, kind } = event.args;
      laneOf(event).spans.push({ name: event.name, kind, step, start: event.ts, end: event.ts + event.dur });
      if (step > 0) {
        steps.add(step);
      }
    }
  }
  return {
    workers: [...workers.entries()]
      .sort(([a], [b]) => a - b)
      .map(([, { name, lanes }]) => ({
        name,
        lanes: [...lanes.entries()].sort(([a], [b]) => a - b).map(([, lane]) => lane),
      })),
    steps: [...steps].sort((a, b) => a - b),
    dropped: json.otherData?.dropped_spans ?? 0,
  };
}

/**
 * One step, from the first worker's beginning to the last one's end: {start, end, workers: [{name, compute, exchange, hidden, idle, rows}]}.
 * Times of a worker: it computes while any of its parts does; exchange is while bytes are under way and nothing is computed, hidden is while
 * both; idle is the rest. The first row is the worker, the others are its parts.
 */
export function stepOf(trace, step) {
  const spansOf = (lane) => lane.spans.filter((span) => span.step === step);
  const workers = trace.workers.map(({ name, lanes }) => ({
    name,
    lanes: lanes.map((lane) => ({ name: lane.name, spans: spansOf(lane) })).filter((lane) => lane.spans.length > 0),
  }));
  const all = workers.flatMap((worker) => worker.lanes.flatMap((lane) => lane.spans));
  const start = all.reduce((least, span) => Math.min(least, span.start), Infinity);
  const end = all.reduce((most, span) => Math.max(most, span.end), -Infinity);
  return { start, end, workers: workers.map((worker) => withTimes(worker, start, end)) };
}

function withTimes({ name, lanes }, start, end) {
  const of = (kind) => union(lanes.flatMap((lane) => lane.spans.filter((span) => span.kind === kind)));
  const compute = of('compute');
  const under = of('exchange');
  const exchange = without(under, compute);
  const busy = union([...compute, ...exchange]);
  const idle = without([{ start, end }], busy);
  const whole = [
    ...compute.map((span) => ({ ...span, kind: 'compute', name: 'computes' })),
    ...exchange.map((span) => ({ ...span, kind: 'exchange', name: 'waits for bytes under way' })),
    ...idle.map((span) => ({ ...span, kind: 'idle', name: 'idle' })),
  ].sort((a, b) => a.start - b.start);
  return {
    name,
    compute: length(compute),
    exchange: length(exchange),
    hidden: length(under) - length(exchange),
    idle: length(idle),
    rows: [{ name: 'all parts', spans: whole }, ...lanes],
  };
}

function length(spans) {
  return spans.reduce((sum, span) => sum + span.end - span.start, 0);
}

/** Disjoint, in order. */
function union(spans) {
  const joined = [];
  for (const { start, end } of spans.toSorted((a, b) => a.start - b.start)) {
    const last = joined.at(-1);
    if (last && start <= last.end) {
      last.end = Math.max(last.end, end);
    } else if (end > start) {
      joined.push({ start, end });
    }
  }
  return joined;
}

/** Of disjoint spans in order, what is in none of the others, which are so too. */
function without(spans, others) {
  const left = [];
  let at = 0;
  for (const { start, end } of spans) {
    let from = start;
    while (at < others.length && others[at].end <= from) {
      at++;
    }
    for (let i = at; i < others.length && others[i].start < end; i++) {
      if (others[i].start > from) {
        left.push({ start: from, end: others[i].start });
      }
      from = Math.max(from, others[i].end);
    }
    if (from < end) {
      left.push({ start: from, end });
    }
  }
  return left;
}
