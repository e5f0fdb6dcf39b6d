// The form of an entry: phrasings as chips, rows of metadata, the warning about unsaved changes.
const form = document.querySelector("[data-editor]");
const unsaved = form.querySelector("[data-unsaved]");
let dirty = form.hasAttribute("data-dirty");

function changed() {
  dirty = true;
  unsaved.hidden = false;
}
if (dirty) unsaved.hidden = false;
form.addEventListener("input", (event) => { if (event.target.name !== "tried") changed(); });
const touch = () => form.dispatchEvent(new Event("input")); // a change by a button is a change of the form
form.addEventListener("submit", () => { dirty = false; });
document.querySelector("[data-leave]")?.addEventListener("click", () => { dirty = false; });
addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
document.addEventListener("keydown", (event) => {
  if (event.key !== "s" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  form.requestSubmit(form.querySelector("[data-save]"));
});

// --- chips: what stands in the field for a new one is sent too, so nothing typed is lost

const CLOSE = form.querySelector("[data-remove-pair] svg");

function chip(field, text) {
  const name = field.dataset.chips;
  const area = Object.assign(document.createElement("textarea"), { name, rows: 1, value: text });
  area.setAttribute("aria-label", field.querySelector("legend").textContent);
  const remove = Object.assign(document.createElement("button"), { type: "button", className: "plain" });
  remove.setAttribute("data-remove-chip", "");
  remove.setAttribute("aria-label", field.dataset.remove + text);
  remove.append(CLOSE.cloneNode(true));
  const item = Object.assign(document.createElement("li"), { className: "chip" });
  item.append(area, remove);
  return item;
}
function add(field) {
  const input = field.querySelector("[data-add-chip]");
  const texts = input.value.split("\n").map((text) => text.trim()).filter(Boolean);
  for (const text of texts) field.querySelector(".chips").append(chip(field, text));
  input.value = "";
  if (texts.length) touch();
  input.focus();
}
form.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.matches("[data-add-button]")) add(button.closest("[data-chips]"));
  if (button.matches("[data-remove-chip]")) {
    const field = button.closest("[data-chips]");
    button.closest("li").remove();
    touch();
    field.querySelector("[data-add-chip]").focus();
  }
  if (button.matches("[data-remove-pair]")) {
    const pair = button.closest(".pair");
    if (pair.parentElement.children.length > 1) pair.remove();
    else for (const input of pair.querySelectorAll("input, textarea")) input.value = "";
    touch();
  }
  if (button.matches("[data-add-pair]")) {
    const pairs = form.querySelector("[data-pairs]");
    const pair = pairs.lastElementChild.cloneNode(true);
    for (const input of pair.querySelectorAll("input, textarea")) input.value = "";
    pairs.append(pair);
    pair.querySelector("input").focus();
  }
});
form.addEventListener("keydown", (event) => {
  if (event.isComposing || event.key !== "Enter") return;
  if (event.target.matches("[data-add-chip]")) {
    event.preventDefault();
    add(event.target.closest("[data-chips]"));
  } else if (event.target.matches(".chip textarea")) {
    event.preventDefault();
    event.target.closest("[data-chips]").querySelector("[data-add-chip]").focus();
  } else if (event.target.matches("#question, .pair input, #id, [type=datetime-local]")) event.preventDefault();
});
form.addEventListener("paste", (event) => { // several lines become several chips
  if (!event.target.matches("[data-add-chip]")) return;
  const text = event.clipboardData.getData("text");
  if (!text.trim().includes("\n")) return;
  event.preventDefault();
  const field = event.target.closest("[data-chips]");
  for (const line of text.split("\n").map((part) => part.trim()).filter(Boolean)) field.querySelector(".chips").append(chip(field, line));
  changed();
});
