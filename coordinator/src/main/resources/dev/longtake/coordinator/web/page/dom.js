// Elements without markup in strings: whatever others wrote (prompts, ids, errors) is text and stays text.

const SVG = 'http://www.w3.org/2000/svg';

/** An element. Properties that are functions are listeners (`onclick`), `text` is its text, the others are attributes. */
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') {
      element.addEventListener(name.slice(2), value);
    } else if (name === 'text') {
      element.textContent = value;
    } else {
      attribute(element, name, value);
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets a text only where it changes, so that selections and screen readers are left alone. */
export function text(element, value) {
  const now = String(value);
  if (element.textContent !== now) {
    element.textContent = now;
  }
}

/** Sets an attribute where it changes; false, null and undefined take it away, true is an empty one. */
export function attribute(element, name, value) {
  if (value === false || value === null || value === undefined) {
    element.removeAttribute(name);
    return;
  }
  const now = value === true ? '' : String(value);
  if (element.getAttribute(name) !== now) {
    element.setAttribute(name, now);
  }
}

export function show(element, isShown) {
  element.hidden = !isShown;
}

/**
 * Keeps the children of an element in step with a list: what stays is updated in its place, so focus and selection stay too.
 *
 * `create(item)` makes a view `{node, update(item)}`; its `update` is called at once.
 */
export function keyed(parent, keyOf, create) {
  const views = new Map();
  return (items) => {
    const keys = new Set(items.map(keyOf));
    for (const [key, view] of views) {
      if (!keys.has(key)) {
        view.node.remove();
        views.delete(key);
      }
    }
    let place = parent.firstChild;
    for (const item of items) {
      const key = keyOf(item);
      let view = views.get(key);
      if (!view) {
        view = create(item);
        views.set(key, view);
      }
      view.update(item);
      if (view.node === place) {
        place = place.nextSibling;
      } else {
        parent.insertBefore(view.node, place);
      }
    }
    return views;
  };
}

/**
 * One tab stop for many items: arrow keys, Home and End move among those that match the selector.
 *
 * `moved(item)` is told where the focus went.
 */
export function roving(container, selector, moved = () => {}) {
  container.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    const items = [...container.querySelectorAll(selector)].filter((item) => !item.hidden);
    const at = items.indexOf(event.target.closest(selector));
    let next = null;
    if (step && at >= 0) {
      next = items[at + step];
    } else if (event.key === 'Home') {
      next = items[0];
    } else if (event.key === 'End') {
      next = items.at(-1);
    } else {
      return;
    }
    event.preventDefault();
    if (next) {
      next.focus();
      moved(next);
    }
  });
}

/** Rows of a description list; a row without a value is hidden. */
export function facts(names) {
  const values = new Map();
  const node = h('dl', { class: 'facts' });
  for (const name of names) {
    const value = h('dd');
    const row = h('div', {}, h('dt', { text: name }), value);
    values.set(name, { row, value });
    node.append(row);
  }
  return {
    node,
    set(name, shown) {
      const { row, value } = values.get(name);
      text(value, shown ?? '');
      show(row, Boolean(shown));
    },
  };
}

/** A bar of parts, each with a class that gives its colour, and a sentence for those who don't see it. */
export function bar(className) {
  const node = h('div', { class: `bar ${className}`, role: 'img' });
  const update = keyed(
    node,
    (part) => part.kind,
    (part) => {
      const piece = h('span', { class: `part ${part.kind}` });
      return {
        node: piece,
        update(now) {
          const width = `${(100 * now.share).toFixed(2)}%`;
          if (piece.style.width !== width) {
            piece.style.width = width;
          }
          attribute(piece, 'title', now.title);
        },
      };
    },
  );
  return {
    node,
    update(parts, label) {
      update(parts.filter((part) => part.share > 0));
      attribute(node, 'aria-label', label);
    },
  };
}
