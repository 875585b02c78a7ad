// What can be seen of a job: its newest preview while it runs, its video when it is done.

import { videoAddress } from './api.js';
import { attribute, h, show, text } from './dom.js';

export function picture() {
  const preview = h('img', { alt: '', hidden: true });
  const video = h('video', { controls: true, loop: true, playsinline: true, preload: 'metadata', hidden: true });
  const caption = h('figcaption', { class: 'hint' });
  const node = h('figure', { class: 'picture' }, preview, video, caption);
  let shownVideo = '';
  let shownPreview = null;
  let loading = new AbortController();

  async function load(job) {
    shownVideo = job.id;
    loading = new AbortController();
    const { signal } = loading;
    try {
      const address = await videoAddress(job.id, signal);
      if (signal.aborted) {
        URL.revokeObjectURL(address);
      } else {
        attribute(video, 'aria-label', `Video: ${job.request?.prompt}`);
        video.src = address;
      }
    } catch (failure) {
      if (!signal.aborted) {
        text(caption, failure.message);
      }
    }
  }

  function unload() {
    loading.abort();
    URL.revokeObjectURL(video.src);
    video.removeAttribute('src');
    video.load();
    shownVideo = '';
  }

  function showPreview(now) {
    if (now === shownPreview) {
      return;
    }
    URL.revokeObjectURL(preview.src);
    shownPreview = now;
    if (now) {
      preview.src = URL.createObjectURL(new Blob([Uint8Array.from(atob(now.png), (byte) => byte.charCodeAt(0))], { type: 'image/png' }));
      preview.alt = `Preview of segment ${now.segment}, step ${now.step}`;
    } else {
      preview.removeAttribute('src');
    }
  }

  return {
    node,
    update(job, newest) {
      const isDone = job.state === 'JOB_STATE_DONE';
      if (shownVideo !== '' && shownVideo !== job.id) {
        unload();
      }
      if (isDone && shownVideo === '') {
        text(caption, '');
        load(job);
      }
      showPreview(isDone ? null : newest);
      show(video, isDone);
      show(preview, !isDone && Boolean(newest));
      if (!isDone) {
        text(caption, previewText(job, newest));
      }
      show(node, caption.textContent !== '' || isDone || Boolean(newest));
    },
  };
}

function previewText(job, newest) {
  if (newest) {
    return `Preview after step ${newest.step} of ${newest.steps}${newest.segment > 1 ? `, segment ${newest.segment}` : ''}`;
  }
  if (job.state !== 'JOB_STATE_RUNNING' && job.state !== 'JOB_STATE_QUEUED') {
    return '';
  }
  return job.request?.previewEvery > 0 ? 'The first preview comes soon.' : 'No previews were asked for.';
}
