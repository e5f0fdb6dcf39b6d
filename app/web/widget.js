// The element <faq-widget>: ask the FAQ from any page. One classic script without dependencies; see docs/widget.md.
//
//   <script src="https://faq.example.com/widget.js" async></script>
//   <faq-widget mode="dialog" heading="Help" talk="Talk to a person"></faq-widget>
//
// Answers are inserted as text, or as the HTML that the service has sanitised.

(() => {
  "use strict";
  if (customElements.get("faq-widget")) return;

  const SERVICE = new URL(".", document.currentScript?.src ?? location.href).href;
  const TIMEOUT_MS = 30_000;
  const MAX_LENGTH = 1000;
  const TEXTS = {
    heading: "Questions?",
    greeting: "",
    label: "Your question",
    placeholder: "Ask in your own words",
    ask: "Ask",
    open: "Help",
    close: "Close",
    waiting: "Looking for an answer…",
    meant: "Did you mean",
    others: "Other possible answers",
    related: "Related questions",
    none: "The FAQ has no answer to this.",
    instead: "Questions it does answer",
    helpful: "Was this helpful?",
    yes: "Yes",
    no: "No",
    thanks: "Thank you.",
    busy: "Too many questions at a time. Try again shortly.",
    refused: "This page may not ask here.",
    away: "The answers are not available now. Try again shortly.",
    source: "Read more",
    talk: "",
  };

  const STYLE = `
    .root {
      all: initial;
      --accent: var(--faq-accent, #0b6b5f);
      --on-accent: var(--faq-on-accent, #fff);
      --ground: var(--faq-ground, #fff);
      --ink: var(--faq-ink, #131a18);
      --quiet: color-mix(in srgb, var(--ink) 68%, var(--ground));
      --line: color-mix(in srgb, var(--ink) 16%, var(--ground));
      --radius: var(--faq-radius, 10px);
      display: block;
      color: var(--ink);
      font: 400 16px/1.5 var(--faq-font, system-ui, sans-serif);
    }
    .root.dark {
      --accent: var(--faq-accent, #63cdb9);
      --on-accent: var(--faq-on-accent, #06201c);
      --ground: var(--faq-ground, #181d1c);
      --ink: var(--faq-ink, #e9eeec);
    }
    *, ::before, ::after { box-sizing: border-box; }
    h2, h3, p, ul { margin: 0; padding: 0; font: inherit; }
    h2 { font-weight: 650; font-size: 1.125em; }
    h3 { margin-top: 1em; color: var(--quiet); font-size: .875em; }
    ul { list-style: none; }
    button, input { font: inherit; color: inherit; }
    button { cursor: pointer; }
    :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
    .panel { background: var(--ground); border: 1px solid var(--line); border-radius: var(--radius); padding: 1rem; }
    .head { display: flex; align-items: center; justify-content: space-between; gap: 1rem; }
    .greeting { color: var(--quiet); }
    form { display: flex; gap: .5rem; margin-top: .75rem; }
    input { flex: 1; min-width: 0; padding: .5rem .75rem; color: var(--ink); background: var(--ground);
      border: 1px solid color-mix(in srgb, var(--ink) 55%, var(--ground)); border-radius: var(--radius); }
    .primary { padding: .5rem 1rem; color: var(--on-accent); background: var(--accent); border: 0; border-radius: var(--radius); }
    .plain { padding: .25rem .5rem; color: var(--quiet); background: none; border: 0; border-radius: 4px; text-decoration: underline; }
    .asks button, summary { width: 100%; padding: .5rem 0; text-align: start; background: none; border: 0;
      border-top: 1px solid var(--line); color: var(--accent); cursor: pointer; }
    .answer { margin-top: 1rem; overflow-wrap: anywhere; }
    .answer .text { margin-top: .25rem; white-space: pre-line; }
    .answer .text.marked { white-space: normal; }
    .answer .text.marked :is(p, ul, ol, pre) { margin: .5em 0; padding-inline-start: revert; list-style: revert; }
    a { color: var(--accent); }
    .foot { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem .5rem; margin-top: .75rem; color: var(--quiet); font-size: .875em; }
    .foot > .plain:first-child { margin-inline-start: -.5rem; }
    .message { margin-top: 1rem; color: var(--quiet); }
    .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
    .opener { position: fixed; inset-block-end: 1.25rem; inset-inline-end: 1.25rem; z-index: 2147483000; padding: .75rem 1.25rem;
      border-radius: 999px; box-shadow: 0 6px 24px rgb(0 0 0 / 22%); }
    dialog { position: fixed; inset: auto 1.25rem 1.25rem auto; width: min(26rem, calc(100vw - 2.5rem)); max-height: min(40rem, calc(100dvh - 2.5rem));
      margin: 0; overflow: auto; color: inherit; box-shadow: 0 18px 60px rgb(0 0 0 / 30%); }
    dialog::backdrop { background: rgb(0 0 0 / 18%); }
    @media (max-width: 30rem) { dialog { inset: auto 0 0 0; width: 100%; max-width: none; max-height: 90dvh; border-radius: var(--radius) var(--radius) 0 0; } }
  `;

  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);

  function el(tag, props = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) {
      if (name in node) node[name] = value;
      else node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null && child !== ""));
    return node;
  }

  function link(value) {
    try {
      const url = new URL(value, SERVICE);
      return /^https?:\/\//i.test(value) && /^https?:$/.test(url.protocol) ? url.href : null;
    } catch {
      return null;
    }
  }

  // The elements of an answer with markup; null for plain text, or where the page's Trusted Types forbid parsing.
  function parsed(html) {
    try {
      const { body } = new DOMParser().parseFromString(html ?? "", "text/html");
      return body.querySelector(":not(p, br)") ? body : null;
    } catch {
      return null;
    }
  }

  class FaqWidget extends HTMLElement {
    static observedAttributes = ["heading", "greeting", "placeholder", "talk", "mode", "scheme"];

    #texts = {};
    #request = null;
    #parts = null;

    constructor() {
      super();
      this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
    }

    connectedCallback() { if (!this.#parts) this.#draw(); }
    disconnectedCallback() { this.#request?.abort(); }
    attributeChangedCallback() { if (this.#parts) this.#draw(); }

    // Texts of the interface in another language or tone; unknown names are ignored.
    get texts() { return { ...TEXTS, ...this.#texts }; }
    set texts(value) {
      this.#texts = { ...value };
      if (this.#parts) this.#draw();
    }

    // The address of the service; that of this script unless the attribute `service` names another.
    get service() { return new URL("./", this.getAttribute("service") ?? SERVICE).href; }

    open() { this.#parts?.dialog?.showModal(); this.#parts?.input.focus(); }
    close() { this.#parts?.dialog?.close(); }

    #text(name) { return this.getAttribute(name) ?? this.texts[name] ?? ""; }

    #draw() {
      const dialog = this.getAttribute("mode") === "dialog";
      const scheme = this.getAttribute("scheme") ?? "light";
      const dark = scheme === "dark" || (scheme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
      const input = el("input", { id: "question", type: "text", maxLength: MAX_LENGTH, autocomplete: "off", enterKeyHint: "send",
        placeholder: this.#text("placeholder"), dir: "auto" });
      const results = el("div", { className: "results" });
      const status = el("p", { className: "unseen", role: "status" });
      const form = el("form", {}, el("label", { className: "unseen", htmlFor: "question" }, this.#text("label")), input,
        el("button", { type: "submit", className: "primary" }, this.#text("ask")));
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        if (input.value.trim()) this.ask(input.value.trim());
        else input.focus();
      });
      const head = el("div", { className: "head" }, el("h2", { id: "heading" }, this.#text("heading")));
      const greeting = this.#text("greeting") ? el("p", { className: "greeting" }, this.#text("greeting")) : null;
      const talk = this.#text("talk") ? this.#button(this.#text("talk"), "plain", () => this.#talk()) : null;
      const inside = [head, greeting, form, status, results, talk ? el("div", { className: "foot" }, talk) : null].filter(Boolean);
      const root = el("div", { className: dark ? "root dark" : "root" });
      this.#parts = { input, results, status, dialog: null };
      if (dialog) {
        head.append(this.#button(this.#text("close"), "plain", () => this.close()));
        this.#parts.dialog = el("dialog", { className: "panel", "aria-labelledby": "heading" }, ...inside);
        root.append(this.#button(this.#text("open"), "primary opener", () => this.open()), this.#parts.dialog);
      } else {
        root.append(el("section", { className: "panel", "aria-labelledby": "heading" }, ...inside));
      }
      this.shadowRoot.replaceChildren(root);
    }

    #button(text, className, click) {
      const button = el("button", { type: "button", className }, text);
      button.addEventListener("click", click);
      return button;
    }

    // The page decides what "a person" is: a chat, a form, a telephone number.
    #talk() {
      const detail = { question: this.#parts.input.value.trim() };
      this.dispatchEvent(new CustomEvent("faq-talk", { detail, bubbles: true, composed: true }));
    }

    // Ask a question and show the reply.
    async ask(question) {
      const { input, results, status } = this.#parts;
      this.#request?.abort();
      const request = (this.#request = new AbortController());
      const timer = setTimeout(() => request.abort(), TIMEOUT_MS);
      input.value = question;
      status.textContent = this.#text("waiting");
      let shown;
      try {
        const response = await this.#post("v1/ask", { question, top_k: 3, render: "html" }, request.signal);
        shown = response.ok ? this.#reply(await response.json(), question) : [this.#problem(response.status)];
      } catch {
        shown = [this.#problem(0)];
      }
      clearTimeout(timer);
      if (this.#request !== request) return; // another question was asked meanwhile
      results.replaceChildren(...shown);
      status.textContent = results.querySelector("h2, .message")?.textContent ?? "";
    }

    #post(path, body, signal) {
      const key = this.getAttribute("key");
      const headers = { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) };
      return fetch(new URL(path, this.service), { method: "POST", headers, body: JSON.stringify(body), signal, credentials: "omit" });
    }

    #problem(status) {
      const text = status === 429 ? "busy" : status === 401 || status === 403 ? "refused" : "away";
      return el("p", { className: "message" }, this.#text(text));
    }

    #reply({ request_id, feedback_token, status, answers, suggestions = [] }, question) {
      const reply = { request_id, token: feedback_token, question };
      if (!answers.length) return [el("p", { className: "message" }, this.#text("none")), this.#asks(this.#text("instead"), suggestions)];
      if (status === "ambiguous" && answers.length > 1) return [this.#choices(this.#text("meant"), answers, reply, "h2")];
      const [best, ...rest] = answers;
      return [this.#answer(best, reply), rest.length ? this.#choices(this.#text("others"), rest, reply, "h3") : ""];
    }

    #choices(heading, answers, reply, tag) {
      const details = answers.map((answer) => el("details", {},
        el("summary", { dir: "auto" }, answer.question || `${answer.answer.slice(0, 80)}…`), this.#answer(answer, reply, false)));
      return el("div", { className: "answer" }, el(tag, {}, heading), ...details);
    }

    #answer(answer, reply, titled = true) {
      const body = parsed(answer.answer_html);
      const more = link(answer.metadata?.url);
      const foot = el("div", { className: "foot" }, more ? el("a", { href: more, target: "_blank", rel: "noopener noreferrer" }, this.#text("source")) : "",
        reply.token ? this.#feedback(answer, reply) : "");
      return el("div", { className: "answer" },
        titled && answer.question ? el("h2", { dir: "auto" }, answer.question) : null,
        el("div", { className: body ? "text marked" : "text", dir: "auto" }, ...(body?.childNodes ?? [answer.answer])),
        foot, this.#asks(this.#text("related"), answer.follow_ups ?? []));
    }

    // Questions that are asked when they are clicked.
    #asks(heading, entries) {
      const items = entries.filter(({ question }) => question)
        .map(({ question }) => el("li", {}, this.#button(question, "", () => this.ask(question))));
      return items.length ? el("div", { className: "asks" }, el("h3", {}, heading), el("ul", {}, ...items)) : "";
    }

    #feedback(answer, { request_id, token, question }) {
      const node = el("span", {}, this.#text("helpful"), " ");
      const give = (helpful) => {
        node.replaceChildren(this.#text("thanks"));
        this.#post("v1/feedback", { request_id, faq_id: answer.faq_id, helpful, token, question }).catch(() => {});
      };
      node.append(this.#button(this.#text("yes"), "plain", () => give(true)), this.#button(this.#text("no"), "plain", () => give(false)));
      return node;
    }
  }

  customElements.define("faq-widget", FaqWidget);
})();
