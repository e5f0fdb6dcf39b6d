// The frame of every page: menu, messages, shortcuts, polling, and the choice of rows in lists. No page needs it to work.
const on = (type, selector, act) =>
  document.addEventListener(type, (event) => {
    const element = event.target instanceof Element ? event.target.closest(selector) : null;
    if (element) act(element, event);
  });
const typing = (element) => element.matches("input:not([type=checkbox]):not([type=radio]), textarea, select");

// --- messages and menu

on("click", "[data-dismiss]", (button) => button.closest(".flash").remove());
on("click", "[data-menu]", (button) => {
  button.setAttribute("aria-expanded", String(button.getAttribute("aria-expanded") !== "true"));
});
on("click", "[data-help]", () => document.getElementById("help").showModal());
function fail(text) {
  const place = document.getElementById("flash");
  const message = document.createElement("div");
  message.className = "flash error";
  message.append(Object.assign(document.createElement("p"), { textContent: text }));
  place.replaceChildren(message);
}
document.addEventListener("htmx:sendError", (event) => {
  if (!event.target.matches("[data-poll]")) fail(document.body.dataset.network);
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if ((xhr.getResponseHeader("Content-Type") ?? "").includes("json")) { // an error that no page was made for
    event.detail.shouldSwap = false;
    fail(JSON.parse(xhr.responseText).detail ?? document.body.dataset.network);
  }
});

// --- polling, which rests while the page is in the background

function poll(root) {
  for (const element of root.querySelectorAll("[data-poll]")) {
    if (element.polling) continue;
    element.polling = setInterval(() => {
      if (!element.isConnected) clearInterval(element.polling);
      else if (document.visibilityState === "visible") window.htmx.trigger(element, "poll");
    }, Number(element.dataset.poll));
  }
}
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible") return;
  for (const element of document.querySelectorAll("[data-poll]")) window.htmx.trigger(element, "poll");
});
document.addEventListener("htmx:load", (event) => poll(event.target.parentElement ?? document));
poll(document);

// --- the choice of rows

function chosen(list) {
  return [...list.querySelectorAll("[data-row] input[type=checkbox]")];
}
function showChosen(list) {
  const boxes = chosen(list);
  const count = boxes.filter((box) => box.checked).length;
  for (const box of boxes) box.closest("tr").classList.toggle("on", box.checked);
  const bar = list.querySelector("[data-bulk]");
  if (!bar) return;
  bar.classList.toggle("shown", count > 0);
  const text = bar.querySelector("[data-chosen]");
  const [one, many] = text.dataset.forms.split("|");
  text.textContent = count === 1 ? one : many.replace("{n}", count.toLocaleString("en"));
  const all = list.querySelector("[data-all]");
  all.checked = count > 0 && count === boxes.length;
  all.indeterminate = count > 0 && count < boxes.length;
  const shown = list.querySelector("[data-shown]");
  if (shown) shown.value = String(Math.min(Math.max(boxes.length, 50), 500));
}
let lastBox = null;
on("click", "[data-row] input[type=checkbox]", (box, event) => {
  const list = box.closest("[data-list]");
  const boxes = chosen(list);
  if (event.shiftKey && lastBox && boxes.includes(lastBox)) {
    const [from, to] = [boxes.indexOf(lastBox), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
  }
  lastBox = box;
  showChosen(list);
});
on("change", "[data-all]", (all) => {
  const list = all.closest("[data-list]");
  for (const box of chosen(list)) box.checked = all.checked;
  showChosen(list);
});
on("click", "[data-unchoose]", (button) => {
  const list = button.closest("[data-list]");
  for (const box of chosen(list)) box.checked = false;
  showChosen(list);
});
on("keydown", "[data-enter]", (input, event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  input.closest("form").querySelector(`[data-act="${input.dataset.enter}"]`).click();
});
function showAll() {
  for (const list of document.querySelectorAll("[data-list]")) showChosen(list);
}
document.addEventListener("htmx:afterSettle", showAll);
addEventListener("pageshow", showAll); // the browser may have kept what was chosen

// --- shortcuts

const PLACES = { t: "today", e: "entries", q: "try", r: "releases", i: "import", u: "unanswered", o: "golden" };
let goingTo = 0;

function moveRow(by) {
  const links = [...document.querySelectorAll("[data-open]")];
  if (!links.length) return;
  const here = links.findIndex((link) => link.closest("tr, li") === document.activeElement?.closest("tr, li"));
  links[Math.min(Math.max(here < 0 ? (by > 0 ? 0 : links.length - 1) : here + by, 0), links.length - 1)].focus();
}
const SHORTCUTS = {
  "?": () => document.getElementById("help").showModal(),
  j: () => moveRow(1),
  k: () => moveRow(-1),
  x: () => document.activeElement?.closest("[data-row]")?.querySelector("input[type=checkbox]")?.click(),
  g: () => { goingTo = Date.now(); },
};
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape" && typing(event.target)) {
    event.preventDefault(); // a search field would lose its text
    event.target.blur();
  }
  if (typing(event.target) || document.querySelector("dialog[open]")) return;
  if (Date.now() - goingTo < 1500 && PLACES[event.key]) {
    const link = document.querySelector(`nav a[href="${PLACES[event.key]}"]`);
    goingTo = 0;
    if (link) link.click();
    event.preventDefault();
    return;
  }
  const marked = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!marked && !SHORTCUTS[event.key]) return;
  event.preventDefault();
  if (!marked) SHORTCUTS[event.key]();
  else if (typing(marked)) { marked.focus(); marked.select(); } else marked.click();
});
