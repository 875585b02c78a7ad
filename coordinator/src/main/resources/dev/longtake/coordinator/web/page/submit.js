// The form for a new video. The model's limits are said and checked here; what only the coordinator knows, it says.

import { call } from './api.js';
import { open } from './dialogs.js';
import { attribute, h, text } from './dom.js';
import { check, fieldsOf, requestOf } from './fields.js';

/**
 * @param like a request to begin with; absent: the model's defaults
 */
export function submitForm(store, like) {
  const fields = fieldsOf(store.status?.model, like);
  const problem = h('p', { class: 'problem', role: 'alert' });
  const send = h('button', { class: 'primary', text: 'Submit' });
  const views = fields.map(fieldView);
  const basic = views.filter((view) => !view.field.isRare);
  const rare = views.filter((view) => view.field.isRare);
  const details = h('details', {}, h('summary', { text: 'More' }), h('div', { class: 'grid' }, ...rare.map((view) => view.node)));
  details.open = rare.some((view) => view.control.value !== '');
  const form = h(
    'form',
    { novalidate: true },
    h('div', { class: 'grid' }, ...basic.map((view) => view.node)),
    details,
    problem,
    h(
      'div',
      { class: 'actions' },
      h('button', { type: 'button', text: 'Close', onclick: () => dialog.close() }),
      send,
    ),
  );
  const dialog = open('New video', form);
  views[0].control.focus();
  let sent = { body: '', key: '' };

  /** Shows what is wrong with each field, and returns the first that is. */
  function firstWrong() {
    const values = valuesOf(views);
    views.forEach((view) => view.say(check(view.field, values[view.field.name])));
    return views.find((view) => view.isWrong());
  }

  function goTo(view) {
    if (view.field.isRare) {
      details.open = true;
    }
    view.control.focus();
  }

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    text(problem, '');
    const wrong = firstWrong();
    if (wrong) {
      goTo(wrong);
      return;
    }
    const message = requestOf(valuesOf(views), like);
    const body = JSON.stringify(message);
    // The same request is sent with the same key, so that a retry makes no second job.
    sent = body === sent.body ? sent : { body, key: randomKey() };
    send.disabled = true;
    try {
      const job = await call('Generation', 'Submit', { ...message, idempotencyKey: sent.key });
      dialog.close();
      store.put(job);
      store.select(job.id);
      store.poll();
    } catch (failure) {
      text(problem, failure.message);
      const named = views.find((view) => view.field.name === lastName(failure.field));
      if (named) {
        goTo(named);
      }
    } finally {
      send.disabled = false;
    }
  });
}

function valuesOf(views) {
  return Object.fromEntries(views.map(({ field, control }) => [field.name, control.value.trim()]));
}

/** Of "request.long_video.segments": what the form calls it. */
function lastName(path) {
  return path.split('.').at(-1).replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
}

/** Without crypto.randomUUID, which is missing where there is no TLS. */
function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function fieldView(field) {
  const id = `field-${field.name}`;
  const says = h('span', { class: 'problem', id: `${id}-problem` });
  const control = controlOf(field, id);
  const hint = h('span', { class: 'hint', id: `${id}-hint`, text: field.hint });
  attribute(control, 'aria-describedby', `${id}-problem ${id}-hint`);
  return {
    field,
    control,
    node: h('div', { class: `field ${field.name}` }, h('label', { for: id, text: field.label }), control, hint, says),
    say(sentence) {
      text(says, sentence);
      attribute(control, 'aria-invalid', sentence === '' ? null : 'true');
    },
    isWrong: () => says.textContent !== '',
  };
}

function controlOf(field, id) {
  if (field.options) {
    const options = field.options.map(([value, label]) => h('option', { value, text: label }));
    const select = h('select', { id }, ...options);
    select.value = field.value;
    return select;
  }
  const control = field.isLong
    ? h('textarea', { id, rows: 3 })
    : h('input', { id, type: 'text', inputmode: field.isText ? 'text' : 'decimal', placeholder: field.placeholder, autocomplete: 'off' });
  control.value = field.value;
  return control;
}
