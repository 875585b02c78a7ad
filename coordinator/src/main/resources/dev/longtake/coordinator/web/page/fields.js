// What the form asks for: names, limits and defaults, from the model's card where it has them.

const MAX_SEED = 2n ** 64n - 1n;

/** Fields whose values are strings; an empty one takes the default. */
export function fieldsOf(model, like = {}) {
  const tokens = model?.maxTextTokens;
  return [
    {
      name: 'prompt',
      label: 'Prompt',
      isLong: true,
      isNeeded: true,
      hint: tokens ? `up to ${tokens} text tokens` : '',
      value: like.prompt ?? '',
    },
    ranged('width', 'Width', model?.width, like.width),
    ranged('height', 'Height', model?.height, like.height),
    ranged('frames', 'Frames', model?.frames, like.frames),
    whole('steps', 'Steps', 1, 1000, like.steps, model?.defaultSteps),
    {
      name: 'seed',
      label: 'Seed',
      isSeed: true,
      hint: 'the same one makes the same video',
      placeholder: 'by chance',
      value: text(like.seed),
    },
    whole('segments', 'Segments', 1, 100_000, like.longVideo?.segments, 1, ' clips in a row'),
    whole('previewEvery', 'Preview every', 0, 1000, like.previewEvery, 0, ' steps; 0: none'),
    {
      ...rare('guidance', 'Guidance'),
      isNumber: true,
      hint: '1 follows the prompt without amplification',
      placeholder: text(model?.defaultGuidance),
      value: text(like.guidance),
    },
    { ...whole('upscale', 'Enlarge', 1, 16, like.upscale, 1, ' times each way'), isRare: true },
    {
      ...rare('precision', 'Precision'),
      options: [
        ['', 'the worker’s own'],
        ['PRECISION_F32', 'float32'],
        ['PRECISION_BF16', 'bfloat16'],
      ],
      value: like.precision === 'PRECISION_UNSPECIFIED' ? '' : (like.precision ?? ''),
    },
    {
      ...rare('priority', 'Priority'),
      options: [
        ['', 'normal'],
        ['PRIORITY_HIGH', 'high'],
        ['PRIORITY_LOW', 'low'],
      ],
    },
    { ...rare('tenant', 'Tenant'), isText: true, hint: 'for fair shares; empty: that of the key' },
  ];
}

function rare(name, label) {
  return { name, label, isRare: true, hint: '', value: '' };
}

function ranged(name, label, range, value) {
  if (!range) {
    return whole(name, label, 1, Infinity, value);
  }
  const { min = 0, max = 0, multipleOf = 1, defaultValue } = range;
  return { ...whole(name, label, min, max, value, defaultValue, multipleOf > 1 ? `, multiples of ${multipleOf}` : ''), multipleOf };
}

function whole(name, label, min, max, value, standard, more = '') {
  const limits = max === Infinity ? 'at least 1' : `${min} to ${max}`;
  return {
    name,
    label,
    isNumber: true,
    isWhole: true,
    min,
    max,
    hint: `${limits}${more}`,
    placeholder: text(standard),
    value: text(value),
  };
}

function text(value) {
  return value === undefined || value === null ? '' : String(value);
}

/** What is wrong with a value; empty: nothing. */
export function check(field, value) {
  if (value === '') {
    return field.isNeeded ? 'Expected a prompt, but there is none' : '';
  }
  if (field.isSeed) {
    return /^\d{1,20}$/.test(value) && BigInt(value) <= MAX_SEED ? '' : `Expected 0 to ${MAX_SEED}, but got “${value}”`;
  }
  if (!field.isNumber) {
    return '';
  }
  const number = Number(value);
  if (!Number.isFinite(number) || (field.isWhole && !/^\d+$/.test(value))) {
    return `Expected a ${field.isWhole ? 'whole ' : ''}number, but got “${value}”`;
  }
  const isOutside = number < (field.min ?? -Infinity) || number > (field.max ?? Infinity);
  if (isOutside || number % (field.multipleOf ?? 1) !== 0) {
    return `Expected ${field.hint}, but got ${value}`;
  }
  return '';
}

/**
 * A SubmitRequest without what was left empty.
 *
 * @param like what the form began with; what it doesn't ask for is kept of it
 */
export function requestOf(values, like = {}) {
  const request = { ...like };
  const take = (name, convert) => {
    if (values[name] === '') {
      delete request[name];
    } else {
      request[name] = convert(values[name]);
    }
  };
  ['prompt', 'seed', 'precision'].forEach((name) => take(name, String));
  ['width', 'height', 'frames', 'steps', 'guidance', 'upscale', 'previewEvery'].forEach((name) => take(name, Number));
  if (Number(values.segments) > 1) {
    request.longVideo = { ...like.longVideo, segments: Number(values.segments) };
  } else {
    delete request.longVideo;
  }
  const { tenant, priority } = values;
  return { request, ...(tenant && { tenant }), ...(priority && { priority }) };
}
