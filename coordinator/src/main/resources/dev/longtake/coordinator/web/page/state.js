// The state of a job or worker: a word, with a mark and a colour of its own.

import { attribute, h, text } from './dom.js';

export function stateMark() {
  const node = h('span', { class: 'state' });
  return {
    node,
    update(word) {
      text(node, word);
      attribute(node, 'data-state', word);
    },
  };
}
