// Numbers and times as people read them. Protobuf's JSON has 64-bit numbers as strings, durations as "1.5s", and leaves out zeros.

const BYTES = { base: 1024, units: ['B', 'KiB', 'MiB', 'GiB', 'TiB'] };
const BYTES_PER_SECOND = { base: 1000, units: ['B/s', 'KB/s', 'MB/s', 'GB/s', 'TB/s'] };
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DAY_AND_CLOCK = new Intl.DateTimeFormat(undefined, {
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});
const WHOLE = new Intl.NumberFormat('en');

export function number(value) {
  return Number(value ?? 0);
}

export function whole(value) {
  return WHOLE.format(number(value));
}

/** Of a Duration. */
export function seconds(duration) {
  return duration ? Number.parseFloat(duration) : 0;
}

export function bytes(value) {
  return scaled(number(value), BYTES);
}

export function rate(bytesPerSecond) {
  return scaled(bytesPerSecond, BYTES_PER_SECOND);
}

function scaled(value, { base, units }) {
  let left = value;
  let unit = 0;
  while (left >= base - 0.5 && unit < units.length - 1) {
    left /= base;
    unit++;
  }
  return `${unit > 0 && left < 9.95 ? left.toFixed(1) : left.toFixed(0)} ${units[unit]}`;
}

/** With three digits and the unit that fits. */
export function span(secondsLong) {
  if (secondsLong === 0) {
    return '0';
  }
  if (secondsLong < 0.000_999_5) {
    return `${digits(secondsLong * 1e6)} µs`;
  }
  if (secondsLong < 0.999_5) {
    return `${digits(secondsLong * 1e3)} ms`;
  }
  return secondsLong < 100 ? `${digits(secondsLong)} s` : clock(secondsLong);
}

function digits(value) {
  return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

/** For example "1:02:03" or "0:07". */
export function clock(secondsLong) {
  const all = Math.max(0, Math.round(secondsLong));
  const two = (value) => String(value).padStart(2, '0');
  const hours = Math.floor(all / 3600);
  const minutes = Math.floor(all / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(all % 60)}` : `${minutes}:${two(all % 60)}`;
}

/** A time of today without its day. */
export function time(timestamp) {
  if (!timestamp) {
    return '';
  }
  const date = new Date(timestamp);
  return (date.toDateString() === new Date().toDateString() ? CLOCK : DAY_AND_CLOCK).format(date);
}

export function percent(share) {
  return `${Math.round(100 * share)} %`;
}

export function count(howMany, what) {
  return `${whole(howMany)} ${what}${howMany === 1 ? '' : 's'}`;
}

/** Of an enum: JOB_STATE_DONE is "done". */
export function name(constant, prefix) {
  return (constant ?? '').slice(prefix.length).toLowerCase().replaceAll('_', '-');
}
