// One job in full: its tabs.

import { call } from './api.js';
import { confirm } from './dialogs.js';
import { attribute, h, roving, show, text } from './dom.js';
import { name } from './format.js';
import { history } from './job-history.js';
import { overview } from './job-overview.js';
import { planOf } from './job-plan.js';
import { timeline } from './job-timeline.js';
import { stateMark } from './state.js';
import { isTerminal } from './store.js';
import { submitForm } from './submit.js';

export function job(node, store, follow) {
  const title = h('h2', { id: 'job-title' });
  const state = stateMark();
  const cancel = h('button', { type: 'button', text: 'Cancel', onclick: () => askToCancel(shown(), store) });
  const again = h('button', { type: 'button', text: 'Again…', onclick: () => submitForm(store, shown().request) });
  const tabs = [
    ['Overview', overview(store, follow)],
    ['Plan', planOf(store)],
    ['Time line', timeline()],
    ['History', history()],
  ].map(([label, panel], at) => tabOf(label, panel, at, choose));
  const list = h('div', { role: 'tablist', 'aria-label': 'About the job' }, ...tabs.map((tab) => tab.button));
  node.append(
    h('header', {}, title, state.node, h('div', { class: 'actions' }, again, cancel)),
    list,
    ...tabs.map((tab) => tab.page),
  );
  roving(list, '[role=tab]', (button) => choose(tabs.find((tab) => tab.button === button)));

  let chosen = tabs[0];
  const shown = () => store.job(store.selected);

  function choose(tab) {
    chosen = tab;
    update();
  }

  function update() {
    const now = shown();
    show(node, Boolean(now));
    if (!now) {
      return;
    }
    text(title, now.request?.prompt || now.id);
    state.update(name(now.state, 'JOB_STATE_'));
    show(cancel, !isTerminal(now));
    for (const tab of tabs) {
      const isChosen = tab === chosen;
      attribute(tab.button, 'aria-selected', String(isChosen));
      attribute(tab.button, 'tabindex', isChosen ? 0 : -1);
      show(tab.page, isChosen);
    }
    chosen.panel.update(now);
  }

  follow.addEventListener('change', update);
  return update;
}

function tabOf(label, panel, at, choose) {
  const button = h('button', { type: 'button', role: 'tab', id: `tab-${at}`, 'aria-controls': `page-${at}`, text: label });
  const page = h('div', { role: 'tabpanel', id: `page-${at}`, 'aria-labelledby': `tab-${at}`, class: 'page' }, panel.node);
  const tab = { button, page, panel };
  button.addEventListener('click', () => choose(tab));
  return tab;
}

function askToCancel(job, store) {
  confirm('Cancel this job?', `“${job.request?.prompt}” stops within a step.`, 'Cancel it', async () => {
    store.put(await call('Generation', 'Cancel', { jobId: job.id }));
  });
}
