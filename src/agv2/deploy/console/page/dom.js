// Elements made without markup from text: what the service tells can never become part of the page's code.
const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

export function show(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text; // said once by a screen reader, not at every event
}

// Put `wanted` ([key, signature, make]) into `box`, in that order; nodes whose signature holds stay, with their focus.
export function reconcile(box, wanted) {
  const known = new Map([...box.children].map((node) => [node.dataset.key, node]));
  wanted.forEach(([key, signature, make], place) => {
    let node = known.get(key);
    if (!node || node.dataset.signature !== signature) {
      const fresh = make(node);
      fresh.dataset.key = key;
      fresh.dataset.signature = signature;
      if (node) node.replaceWith(fresh);
      node = fresh;
    }
    known.delete(key);
    if (box.children[place] !== node) box.insertBefore(node, box.children[place] ?? null);
  });
  for (const left of known.values()) left.remove();
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "style") for (const [property, each] of Object.entries(value)) node.style.setProperty(property, each);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}
