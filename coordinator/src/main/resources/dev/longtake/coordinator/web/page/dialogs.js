// Dialogs: the browser's own, so Escape closes them, and the focus stays inside and returns to where it was.

import { h } from './dom.js';

/** A dialog that is shown when it is made, and gone when it is closed. */
export function open(title, ...children) {
  const heading = h('h2', { text: title, id: 'dialog-title' });
  const dialog = h('dialog', { 'aria-labelledby': 'dialog-title' }, heading, ...children);
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Asks before something that can't be undone; `act` may take its time, and its failure is shown. */
export function confirm(title, sentence, verb, act) {
  const problem = h('p', { class: 'problem', role: 'alert' });
  const yes = h('button', { type: 'button', class: 'danger', text: verb });
  const no = h('button', { type: 'button', text: 'Keep it as it is', onclick: () => dialog.close() });
  const dialog = open(title, h('p', { text: sentence }), problem, h('div', { class: 'actions' }, no, yes));
  yes.addEventListener('click', async () => {
    yes.disabled = true;
    try {
      await act();
      dialog.close();
    } catch (failure) {
      problem.textContent = failure.message;
      yes.disabled = false;
    }
  });
  no.focus();
}

/** Asks for a key once; `take(key)` is told it. */
export function askForKey(message, take) {
  if (document.getElementById('key')) {
    return;
  }
  const key = h('input', {
    id: 'key',
    type: 'password',
    autocomplete: 'off',
    required: true,
    pattern: '\\s*[!-~]{1,256}\\s*',
    title: '1 to 256 letters, digits and signs without spaces',
    'aria-describedby': 'key-why',
  });
  const form = h(
    'form',
    {
      method: 'dialog',
      onsubmit: (event) => {
        event.preventDefault();
        dialog.close();
        take(key.value.trim());
      },
    },
    h('p', { id: 'key-why', text: message }),
    h('label', { for: 'key', text: 'Key' }),
    key,
    h('p', { class: 'hint', text: 'Kept in this tab until it is closed.' }),
    h('div', { class: 'actions' }, h('button', { class: 'primary', text: 'Use this key' })),
  );
  const dialog = open('This coordinator asks for a key', form);
  key.focus();
}
