// Suggestions while typing: a combobox with a listbox. Its options are questions of the FAQ that hold the typed words.
//
// It never takes a key from a user who types on: Enter asks what stands in the field unless an option was chosen with
// the arrow keys, and a list that arrives after that is dropped.

import { el } from "./dom.js";
import { get, waitOf } from "./service.js";
import { counted } from "./words.js";

const TYPED_MS = 120; // a pause in typing
const SHORTEST = 2;
const LIMIT = 6;
const QUIET_MS = 60_000; // after a refusal

export class Suggestions {
  #field;
  #list;
  #status;
  #choose;
  #timer = 0;
  #request = null;
  #active = -1;
  #quietUntil = 0;

  // `choose` is called with the question that the user picks.
  constructor(field, list, status, choose) {
    this.#field = field;
    this.#list = list;
    this.#status = status;
    this.#choose = choose;
    for (const name of ["input", "compositionend"]) field.addEventListener(name, (event) => this.#typed(event));
    field.addEventListener("keydown", (event) => this.#key(event));
    field.addEventListener("blur", () => this.close());
    list.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
    list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.#pick(option);
    });
  }

  get #open() { return !this.#list.hidden; }

  close() {
    clearTimeout(this.#timer);
    this.#request?.abort();
    this.#request = null;
    this.#list.hidden = true;
    this.#list.replaceChildren();
    this.#field.setAttribute("aria-expanded", "false");
    this.#activate(-1);
  }

  allow() { this.#quietUntil = 0; }

  #typed(event) {
    clearTimeout(this.#timer);
    this.#request?.abort();
    this.#activate(-1);
    const typed = this.#field.value.trim();
    if (typed.length < SHORTEST || typed.includes("\n")) this.close();
    else if (!event.isComposing) this.#timer = setTimeout(() => this.#load(typed), TYPED_MS);
  }

  async #load(typed) {
    if (Date.now() < this.#quietUntil) return;
    const request = (this.#request = new AbortController());
    try {
      const response = await get(`suggest?limit=${LIMIT}&q=${encodeURIComponent(typed)}`, request.signal);
      if (!response.ok) {
        this.#quietUntil = Date.now() + (waitOf(response) * 1000 || QUIET_MS);
        this.close();
        return;
      }
      const { questions } = await response.json();
      if (this.#request === request) this.#show(questions.map(({ question }) => question), typed);
    } catch { /* aborted, or away: asking says so */ }
  }

  #show(questions, typed) {
    const texts = [...new Set(questions)].filter((question) => question !== typed);
    if (!texts.length) {
      this.close();
      return;
    }
    this.#list.replaceChildren(...texts.map((text, i) =>
      el("li", { id: `suggestion-${i}`, role: "option", "aria-selected": "false", dir: "auto" }, text)));
    this.#list.hidden = false;
    this.#field.setAttribute("aria-expanded", "true");
    this.#status.textContent = counted("suggestions", texts.length);
    this.#activate(-1);
  }

  #activate(index) {
    this.#active = index;
    [...this.#list.children].forEach((option, i) => option.setAttribute("aria-selected", String(i === index)));
    const option = this.#list.children[index];
    if (option) {
      this.#field.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else {
      this.#field.removeAttribute("aria-activedescendant");
    }
  }

  #pick(option) {
    const question = option.textContent;
    this.close();
    this.#choose(question);
  }

  // The arrows go through the options and the field itself, which is at -1.
  #key(event) {
    if (!this.#open || event.isComposing) return;
    const count = this.#list.children.length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.#activate(((this.#active + 1 + step + count + 1) % (count + 1)) - 1);
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.close();
    } else if (event.key === "Enter" && !event.shiftKey && this.#active >= 0) {
      event.preventDefault();
      event.stopImmediatePropagation(); // the page would ask what was typed
      this.#pick(this.#list.children[this.#active]);
    }
  }
}
