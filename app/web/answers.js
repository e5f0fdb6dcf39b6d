// Answers as elements. What the API returns is inserted as text; only `rendered` turns any of it into elements.

import { button, clip, el, safeLink } from "./dom.js";
import { counted, inWords, percent, t } from "./words.js";

const CHIPS = 5;
const COPIED_MS = 2500;
const NO_CHIP = new Set(["lang"]); // the language of the text is visible

// The elements of an answer with markup, which the service has sanitised; null if the answer is plain text.
function rendered(answer) {
  const { body } = new DOMParser().parseFromString(answer.answer_html ?? "", "text/html");
  return body.querySelector(":not(p, br)") ? body : null;
}

function prose(answer, text, props = {}) {
  const body = rendered(answer);
  return el("div", { className: body ? "text marked" : "text", dir: "auto", ...props }, ...(body?.childNodes ?? [text]));
}

// A passage has no question: its first sentence is the title, and the rest is the text.
export function titled(answer) {
  const body = rendered(answer);
  const words = body ? [...body.childNodes].map((node) => node.textContent.trim()).join(" ") : answer.answer;
  if (answer.question || body) return { title: answer.question, rest: words };
  const text = answer.answer.trim();
  const [lead] = text.match(/^.{1,120}?(?:[.!?](?=\s|$)|[。！？]|(?=\n)|$)/u) ?? [""];
  return { title: lead, rest: text.slice(lead.length).replace(/^\s*\n|^ +/, "") };
}

function confidence(p) {
  const fill = el("i");
  fill.style.width = `${Math.round(Math.min(Math.max(p, 0), 1) * 100)}%`;
  return el("p", { className: "confidence" },
    el("span", { className: "bar", "aria-hidden": "true" }, fill),
    el("span", {}, el("span", { className: "unseen" }, `${t("confidence")} `), el("b", {}, percent(p))), inWords(p));
}

function chip(name, value) {
  const text = Array.isArray(value) ? value.join(", ") : String(value);
  const label = name === "category" ? el("span", { className: "unseen" }, `${t("category")} `) : el("span", {}, name);
  return el("span", { className: "chip", title: `${name}: ${text}` }, label, text);
}

// Copies a text. Without HTTPS a browser lends no clipboard, but it still copies what is selected.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { className: "unseen", value: text });
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    focused?.focus();
  }
}

function copyButton(text) {
  const note = el("span", { className: "unseen", role: "status" });
  const act = async (self) => {
    await copy(text().trim());
    self.textContent = note.textContent = t("copied");
    setTimeout(() => { self.textContent = t("copy"); note.textContent = ""; }, COPIED_MS);
  };
  return [button(t("copy"), { className: "plain copy" }, act), note];
}

// What is copied of an answer that `node` shows, asked for when it is visible.
function copied(answer, node) {
  return () => (node.classList.contains("marked") ? node.innerText : answer.answer);
}

function foot(metadata, text) {
  const link = safeLink(metadata.url);
  const node = el("div", { className: "foot" });
  const chips = Object.entries(metadata)
    .filter(([name, value]) => ![null, undefined, ""].includes(value) && !NO_CHIP.has(name) && !(name === "url" && link))
    .sort(([a], [b]) => (b === "category") - (a === "category"))
    .map(([name, value]) => chip(name, value));
  node.append(...chips.slice(0, CHIPS));
  if (chips.length > CHIPS) {
    const more = button(t("more", { n: chips.length - CHIPS }), { className: "plain" }, () => more.replaceWith(...chips.slice(CHIPS)));
    node.append(more);
  }
  if (link) {
    const where = link.origin === location.origin ? t("read_more") : t("read_more_at", { host: link.host });
    node.append(el("a", { className: "source", href: link.href, rel: "noopener noreferrer" }, where));
  }
  node.append(...copyButton(text));
  return node;
}

function language(metadata) {
  return /^[a-z]{2,3}(-[a-z0-9]{2,8})*$/i.test(metadata.lang ?? "") ? { lang: metadata.lang } : {};
}

function matched(answer) {
  const other = answer.matched_question;
  if (!other || other === answer.question) return null;
  return el("p", { className: "matched", dir: "auto" }, `${t("also_asked_as")} `, el("q", {}, other));
}

// Questions that are asked when they are clicked: the page listens to `ask`.
export function questions(heading, entries) {
  const asks = entries.filter(({ question }) => question).map(({ question }) =>
    el("li", {}, button(el("span", {}, question), { dir: "auto" }, (self) =>
      self.dispatchEvent(new CustomEvent("ask", { detail: question, bubbles: true })))));
  return asks.length ? el("div", { className: "asks" }, el("h3", {}, heading), el("ul", {}, ...asks)) : "";
}

function followUps(answer) {
  return questions(t("related"), answer.follow_ups ?? []);
}

export function card(answer) {
  const { title, rest } = titled(answer);
  const metadata = answer.metadata ?? {};
  const text = prose(answer, rest || answer.answer);
  return el("article", { className: "card" },
    confidence(answer.confidence),
    el("div", language(metadata),
      title ? el("h2", { className: "title", dir: "auto" }, title) : el("h2", { className: "unseen" }, t("passage")),
      matched(answer),
      rest ? text : null),
    foot(metadata, copied(answer, text)), followUps(answer));
}

// An answer behind its question. `shown` is the question or the beginning of the text; `peek` shows the text's beginning.
function folded(answer, { shown, figure, peek }) {
  const metadata = answer.metadata ?? {};
  const text = prose(answer, answer.answer, language(metadata));
  return el("details", {},
    el("summary", language(metadata),
      el("span", { className: "q", dir: "auto" }, shown),
      el("span", { className: "n" }, figure),
      peek),
    el("div", { className: "body" }, text, matched(answer), confidence(answer.confidence), foot(metadata, copied(answer, text)), followUps(answer)));
}

function otherAnswer(answer) {
  const { title, rest } = titled(answer);
  const peek = title && rest ? el("span", { className: "peek", dir: "auto", "aria-hidden": "true" }, clip(rest, 160)) : null;
  return folded(answer, { shown: title || clip(rest), figure: percent(answer.confidence), peek });
}

// Several answers may be right: the user chooses among their questions. Opening a question shows its answer and closes
// the others. If two questions have the same text, the beginnings of their answers are shown too.
export function choices(answers) {
  const titles = answers.map((answer) => titled(answer).title || clip(titled(answer).rest));
  return el("div", { className: "choices" }, ...answers.map((answer, i) => {
    const { title, rest } = titled(answer);
    const same = titles.filter((other) => other === titles[i]).length > 1;
    const peek = same && title && rest ? el("span", { className: "peek", dir: "auto" }, clip(rest, 160)) : null;
    const node = folded(answer, { shown: titles[i], figure: "", peek });
    node.setAttribute("name", "choice");
    return node;
  }));
}

export function others(answers) {
  if (!answers.length) return [];
  const heading = counted("other_answers", answers.length);
  return [el("section", { className: "others" }, el("h2", {}, heading), ...answers.map(otherAnswer))];
}
