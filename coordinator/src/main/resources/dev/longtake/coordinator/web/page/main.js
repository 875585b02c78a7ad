// Puts the panels together.

import { setKey } from './api.js';
import { caches } from './caches.js';
import { cluster } from './cluster.js';
import { askForKey } from './dialogs.js';
import { Follow } from './follow.js';
import { header } from './header.js';
import { job } from './job.js';
import { jobs } from './jobs.js';
import { links } from './links.js';
import { news } from './news.js';
import { Store } from './store.js';

const store = new Store();
const follow = new Follow(store);
const place = (id) => document.getElementById(id);

const updates = [
  header(place('header'), store),
  cluster(place('cluster'), store),
  jobs(place('jobs'), store, follow),
  job(place('job'), store, follow),
  links(place('links'), store),
  caches(place('caches'), store),
  news(place('news'), store),
];

function keyFromUser() {
  if (store.link.kind === 'locked') {
    askForKey(store.link.message, (key) => {
      setKey(key);
      store.poll();
    });
  }
}

store.addEventListener('change', () => {
  updates.forEach((update) => update());
  keyFromUser();
});
store.start();
