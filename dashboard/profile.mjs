// The heap profile: its button, and the flame graph. That comes in a frame of its own, since its names are of
// whatever code the service runs; taking the frame away ends the request, and with it the profile.

import { byId, el, sentence, setText } from './dom.mjs';
import { clock } from './format.mjs';
import { BASE } from './requests.mjs';

const CHOICES = [10, 30, 60];
/** Timers are a little early at times. A refusal, or a service that ends, is early by more. */
const TOLERANCE_MS = 100;

/** Shows the time that is left, without having it read out every second; answers what ends that. */
function countDown(box, seconds) {
  const bar = el('progress', { max: seconds, 'aria-label': 'Profiling' });
  const words = el('span');
  const due = performance.now() + seconds * 1000;
  const show = () => {
    const left = Math.max(0, Math.ceil((due - performance.now()) / 1000));
    bar.value = seconds - left;
    setText(words, left > 0 ? `${left} s left` : 'Drawing…');
  };
  show();
  box.replaceChildren(bar, words);
  const timer = setInterval(show, 500);
  return () => {
    clearInterval(timer);
    box.replaceChildren();
  };
}

/** Wires the section; `pid` gives the process that the page shows. Answers what shows why there is none, or that there is. */
export function profileSection(pid) {
  const [select, button, link] = ['profile-seconds', 'profile', 'profile-pprof'].map(byId);
  const [left, said, box] = ['profile-left', 'profile-said', 'profiled'].map(byId);
  let stopCounting = null;

  const addressOf = (format) =>
    new URL(`profile?format=${format}&seconds=${select.value}&pid=${pid()}`, BASE).href;

  const showLink = () => {
    link.href = addressOf('pprof');
  };

  function end(text, isRefused = false) {
    stopCounting();
    stopCounting = null;
    setText(button, 'Profile');
    setText(said, text);
    said.className = isRefused ? 'refused' : '';
  }

  function begin() {
    const began = performance.now();
    const seconds = Number(select.value);
    const frame = el('iframe', {
      title: `Flame graph of the native memory of process ${pid()}`,
      className: 'waiting',
      sandbox: 'allow-scripts',
      src: addressOf('flamegraph'),
    });
    const loaded = () => {
      frame.className = '';
      // What is in the frame this page cannot see, but it knows what takes as long as a profile.
      const isEarly = performance.now() - began < seconds * 1000 - TOLERANCE_MS;
      if (isEarly) end('Not profiled: the answer below says why.', true);
      else end(`What was allocated in ${seconds} s, until ${clock(Date.now())}, and is in use.`);
    };
    frame.addEventListener('load', loaded, { once: true });
    box.replaceChildren(frame);
    stopCounting = countDown(left, seconds);
    setText(button, 'Cancel');
    setText(said, `Profiling for ${seconds} s…`);
    said.className = '';
  }

  function cancel() {
    box.replaceChildren();
    end('Cancelled: nothing was profiled.');
  }

  select.append(...CHOICES.map((seconds) => el('option', { value: seconds }, `${seconds} s`)));
  select.addEventListener('change', showLink);
  button.addEventListener('click', () => (stopCounting ? cancel() : begin()));

  return ({ why }) => {
    byId('profile-form').hidden = why !== null;
    byId('profile-why').hidden = why === null;
    byId('profile-why').replaceChildren(...sentence(`There is none here: ${why}.`));
    showLink();
  };
}
