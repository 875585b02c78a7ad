// Every change of a job's state, and why.

import { attribute, h, keyed, text } from './dom.js';
import { name, time } from './format.js';
import { stateMark } from './state.js';

export function history() {
  const list = h('ol', { class: 'history' });
  const showAll = keyed(list, (transition) => transition.at, transitionView);
  return {
    node: list,
    update(job) {
      showAll((job.history ?? []).map((transition, at) => ({ ...transition, at: `${job.id} ${at}` })));
    },
  };
}

function transitionView() {
  const when = h('time');
  const state = stateMark();
  const reason = h('span');
  const attempt = h('span', { class: 'hint' });
  const node = h('li', {}, when, state.node, reason, attempt);
  return {
    node,
    update(transition) {
      text(when, time(transition.time));
      attribute(when, 'datetime', transition.time);
      state.update(name(transition.state, 'JOB_STATE_'));
      text(reason, transition.reason ?? '');
      text(attempt, transition.attempt > 0 ? `attempt ${transition.attempt}` : '');
    },
  };
}
