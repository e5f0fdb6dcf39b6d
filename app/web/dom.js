// Making elements, and what is safe in them.

export const $ = (id) => document.getElementById(id);

// An element with these properties, or attributes where it has no such property. Children that are null or "" are left out.
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== ""));
  return node;
}

export function button(text, props, act) {
  const node = el("button", { type: "button", ...props }, text);
  node.addEventListener("click", () => act(node));
  return node;
}

export function clip(text, length = 90) {
  return text.length <= length ? text : `${text.slice(0, length).replace(/\s+\S*$/, "")}…`;
}

export function safeLink(value) {
  if (typeof value !== "string" || !/^(https?:\/\/|\/(?![/\\]))/i.test(value)) return null;
  try {
    const url = new URL(value, location.origin);
    return /^https?:$/.test(url.protocol) ? url : null;
  } catch {
    return null;
  }
}
