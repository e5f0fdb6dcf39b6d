// What the page says when there is no reply: a key is needed, too many questions, the service is away.

import { $, button, el } from "./dom.js";
import { apiKey, waitOf } from "./service.js";
import { t } from "./words.js";

const HEADINGS = { 429: "too_many", 503: "not_ready", 504: "too_long" };
const LONGEST_S = 3600; // a longer wait is shown as this one

let countdown = 0;

export function stopCountdown() {
  clearInterval(countdown);
}

const asking = (node, question) => node.dispatchEvent(new CustomEvent("ask", { detail: question, bubbles: true }));

// The service writes its reasons in English.
function reason(text) {
  return el("p", { lang: "en" }, text);
}

function notice(className, heading, ...parts) {
  const node = el("div", { className: `notice ${className}` }, el("h2", {}, heading), ...parts);
  return { nodes: [node], say: `${heading}. ${node.querySelector("p")?.textContent ?? ""}` };
}

function retryButton(question, seconds) {
  let left = Math.min(seconds, LONGEST_S);
  const node = button(t("retry"), { className: "retry" }, () => { if (left < 0) asking(node, question); });
  const tick = () => {
    const wait = left > 90 ? t("minutes", { n: Math.ceil(left / 60) }) : t("seconds", { n: left });
    node.textContent = left > 0 ? t("retry_in", { wait }) : t("retry");
    node.setAttribute("aria-disabled", String(left > 0));
    if (left-- <= 0) clearInterval(countdown);
  };
  tick();
  if (seconds > 0) countdown = setInterval(tick, 1000);
  return node;
}

function keyForm(question, wrong) {
  const input = el("input", { id: "key", type: "password", autocomplete: "off", "aria-describedby": "key-message" });
  const note = el("p", { id: "key-message", className: "message" }, t("key_kept"));
  const refuse = (why) => { note.textContent = why; note.classList.add("wrong"); };
  if (wrong) refuse(wrong);
  const node = el("form", { className: "key" }, el("label", { htmlFor: "key" }, t("key")), input,
    el("button", { type: "submit" }, t("use_key")), note);
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    const key = input.value.trim();
    if (!/^[\x21-\x7e]+$/.test(key)) {
      refuse(key ? t("key_malformed") : t("key_missing"));
      input.focus();
      return;
    }
    apiKey.set(key);
    asking(node, question);
  });
  return node;
}

function keyProblem(question, status, text) {
  const sent = apiKey.get();
  apiKey.set("");
  const form = keyForm(question, sent && status === 401 ? t("key_refused") : "");
  return { ...notice("asks-key", t(status === 401 ? "key_needed" : "key_forbidden"), reason(text), form), focus: () => $("key").focus() };
}

function fieldErrors(errors) {
  return (Array.isArray(errors) ? errors : []).map((error) => {
    const name = error.field ?? error.pointer ?? (Array.isArray(error.loc) ? error.loc.join(".") : error.loc) ?? "";
    const why = String(error.detail ?? error.message ?? error.msg ?? "is not valid");
    return { name: String(name).replace(/^(#?\/|body[./])+/, ""), text: why.charAt(0).toUpperCase() + why.slice(1) };
  });
}

function invalidQuestion(text, problem) {
  const errors = fieldErrors(problem.errors);
  const questionError = errors.find(({ name }) => /(^|[./])question$/.test(name));
  const rest = errors.filter((error) => error !== questionError);
  const list = rest.map(({ name, text: why }) => el("li", {}, name ? `${name}: ${why}` : why));
  const fields = list.length ? el("ul", { className: "fields", lang: "en" }, ...list) : null;
  return { ...notice("failed", t("not_accepted"), reason(text), fields), wrong: questionError ? questionError.text : text };
}

// The elements for an error, what a screen reader says, and `wrong` (about the question) or `focus` (where to go).
export function problemOf(question, response, problem) {
  const { status } = response;
  const silent = `The service replied with status ${status} and no reason.`;
  const text = typeof problem.detail === "string" && problem.detail ? problem.detail : silent;
  if (status === 401 || status === 403) return keyProblem(question, status, text);
  if (status === 422) return invalidQuestion(text, problem);
  const reference = problem.request_id ? el("p", { className: "reference" }, t("reference", { id: problem.request_id })) : null;
  return notice("failed", t(HEADINGS[status] ?? "not_answered"), reason(text), retryButton(question, waitOf(response)), reference);
}

export function unreachable(question, text) {
  return notice("failed", t("unreachable"), el("p", {}, text), retryButton(question, 0));
}
