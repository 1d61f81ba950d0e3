// Elements. Text goes in as text only: the policy allows no markup from strings.

import { bytes, exact } from './format.mjs';

/** Makes an element; `properties` are its own, `aria-…`, `data-…` and others become attributes. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const byId = (id) => document.getElementById(id);

/** A sentence of the API's as nodes: what is between backticks is code. */
export const sentence = (text) =>
  text.split('`').map((part, i) => (i % 2 === 1 ? el('code', {}, part) : part));

/** Changes a text only where it differs: screen readers and selections are left alone otherwise. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows a figure in human units; its exact bytes when pointed at. */
export function showFigure(element, value, format = bytes) {
  setText(element, format(value));
  element.value = String(value ?? '');
  element.title = format === bytes ? exact(value) : '';
}

export function figure(value, format) {
  const element = el('data');
  showFigure(element, value, format);
  return element;
}

/** A table that scrolls sideways where it does not fit, by keyboard too. */
export const table = (label, heads, rows) =>
  el(
    'section',
    { className: 'scroll', 'aria-label': label, tabIndex: 0 },
    el('table', {}, el('thead', {}, el('tr', {}, ...heads)), el('tbody', {}, ...rows)),
  );

export const head = (text, isNumber = false) =>
  el('th', { scope: 'col', className: isNumber ? 'number' : '' }, text);
