// The ask page: the field, the address, and the reply to a question.

import { card, choices, others, questions, titled } from "./answers.js";
import { $, clip, el } from "./dom.js";
import { feedback } from "./feedback.js";
import { problemOf, stopCountdown, unreachable } from "./problems.js";
import { watchRelease } from "./renewal.js";
import { apiKey, post } from "./service.js";
import { Suggestions } from "./suggestions.js";
import { counted, inWords, percent, t } from "./words.js";

const TOP_K = 3;
const STILL_MS = 200; // the progress bar appears after this time
const TIMEOUT_MS = 30_000;
const NEARLY_FULL = 900; // from this length on the page counts the characters
const NAME = document.querySelector("meta[name=application-name]").content;

const [form, field, message, results, hint, spoken, smallPrint, forget] =
  ["ask", "question", "message", "results", "hint", "status", "small-print", "forget"].map($);

const suggestions = new Suggestions(field, $("suggestions"), spoken, (question) => ask(question));
let current = null; // the AbortController of the question that is being asked
let release = null; // which answered last

// --- the states of the page

function show(nodes, { say = "", print = "" } = {}) {
  stopCountdown();
  results.replaceChildren(...nodes);
  hint.hidden = nodes.length > 0;
  smallPrint.textContent = print;
  spoken.textContent = say;
}

function setMessage(text, wrong = false) {
  message.textContent = text;
  message.classList.toggle("wrong", wrong);
  if (wrong) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

function lead(heading, text) {
  return el("div", { className: "lead" }, el("h2", {}, heading), el("p", {}, text));
}

function noAnswer(entries) {
  return el("div", { className: "notice" }, el("h2", {}, t("no_answer")), el("p", {}, t("no_answer_text")), questions(t("does_answer"), entries));
}

// The release and the time it took, and whether another release answered before.
function printOf({ release: now, took_ms: took }) {
  const renewed = release && now && release !== now ? t("new_release") : "";
  release = now ?? release;
  const time = typeof took === "number" ? `${took < 10 ? took.toFixed(1) : Math.round(took)} ms` : "";
  return [renewed, time, now].filter(Boolean).join(" · ");
}

function showAnswer(reply, question) {
  const { status, answers, suggestions: entries = [] } = reply;
  const print = printOf(reply);
  const opinion = feedback(reply, question);
  if (!answers.length) {
    const count = entries.filter(({ question: text }) => text).length;
    const say = `${t("no_answer")}. ${count ? counted("suggestions", count) : ""}`;
    show([noAnswer(entries), ...opinion], { print, say });
  } else if (status === "ambiguous" && answers.length > 1) {
    const say = `${t("meant")}: ${answers.map((answer) => clip(titled(answer).title)).join(t("or"))}`;
    show([lead(t("meant"), t("meant_text")), choices(answers), ...opinion], { print, say });
  } else {
    const [best, ...rest] = answers;
    const say = `${t("answer")}, ${percent(best.confidence)}, ${inWords(best.confidence)}: ${titled(best).title}`;
    show([card(best), ...opinion, ...others(rest)], { print, say });
  }
}

function showProblem({ nodes, say, wrong, focus }) {
  if (wrong) setMessage(wrong, true);
  show(nodes, { say });
  if (focus) focus();
  else if (wrong) field.focus();
}

function showEmpty() {
  current?.abort();
  current = null;
  settle();
  setMessage("");
  show([]);
  document.title = `${t("title")} · ${NAME}`;
}

// --- asking

async function send(question, signal) {
  const response = await post("ask", { question, top_k: TOP_K, render: "html" }, signal);
  const text = await response.text(); // the error page of a proxy is not JSON
  try {
    return { response, body: JSON.parse(text) ?? {} };
  } catch {
    return { response, body: {} };
  }
}

function settle() {
  document.body.classList.remove("waiting");
  results.removeAttribute("aria-busy");
}

// What to draw for a question, once its reply is here.
async function drawing(question, request) {
  try {
    const { response, body } = await send(question, request.signal);
    if (!response.ok) return () => showProblem(problemOf(question, response, body));
    if (Array.isArray(body.answers)) return () => showAnswer(body, question);
    return () => showProblem(unreachable(question, t("not_an_answer")));
  } catch {
    const text = request.signal.reason === "timeout" ? t("timeout", { n: TIMEOUT_MS / 1000 }) : t("check_connection");
    return () => showProblem(unreachable(question, text));
  }
}

async function ask(question, { push = true, moveFocus = false } = {}) {
  current?.abort();
  suggestions.close();
  const request = (current = new AbortController());
  place(question, push);
  setMessage("");
  spoken.textContent = ""; // so that a screen reader announces the same outcome twice
  const timers = [
    setTimeout(() => {
      document.body.classList.add("waiting");
      results.setAttribute("aria-busy", "true");
      spoken.textContent = t("looking");
    }, STILL_MS),
    setTimeout(() => request.abort("timeout"), TIMEOUT_MS),
  ];
  const draw = await drawing(question, request);
  timers.forEach(clearTimeout);
  if (current !== request) return; // the user has asked another question meanwhile
  settle();
  draw();
  if (!moveFocus) return;
  const held = results.contains(document.activeElement) || document.activeElement === field;
  if (!held) results.focus({ preventScroll: true });
  scrollTo({ top: 0 });
}

// --- field and address

function grow() {
  if (!CSS.supports("field-sizing", "content")) {
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
  }
  const { length } = field.value;
  setMessage(length >= NEARLY_FULL ? t("length", { n: length, most: field.maxLength }) : "");
}

function place(question, push) {
  field.value = question;
  grow();
  document.title = `${clip(question, 60)} · ${NAME}`;
  const url = new URL(location.href);
  const same = url.searchParams.get("q") === question;
  url.searchParams.set("q", question);
  if (push && !same) history.pushState(null, "", url);
}

function fromAddress() {
  const question = (new URLSearchParams(location.search).get("q") ?? "").trim();
  field.value = question;
  grow();
  suggestions.close();
  if (question) ask(question, { push: false });
  else showEmpty();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const question = field.value.trim();
  if (!question) {
    setMessage(t("type_first"), true);
    field.focus();
    return;
  }
  if (matchMedia("(pointer: coarse)").matches) field.blur(); // the on-screen keyboard would hide the answer
  ask(question);
});

field.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});
field.addEventListener("input", grow);
results.addEventListener("ask", (event) => ask(event.detail, { moveFocus: true }));

document.addEventListener("keydown", (event) => {
  const shortcut = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (!shortcut || event.target.matches("input, textarea")) return;
  event.preventDefault();
  field.focus();
  field.select();
});

$("home").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (location.search) history.pushState(null, "", location.pathname);
  fromAddress();
  field.focus();
});

forget.addEventListener("click", () => {
  apiKey.set("");
  spoken.textContent = t("key_deleted");
  field.focus();
});

apiKey.onChange(() => {
  forget.hidden = !apiKey.get();
  suggestions.allow();
});
addEventListener("popstate", fromAddress);
forget.hidden = !apiKey.get();
fromAddress();
watchRelease($("news"), () => results.focus({ preventScroll: true }));
