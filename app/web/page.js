// The ask page. It inserts what the API returns as text; only `rendered` turns any of it into elements.

const TOP_K = 3;
const CHIPS = 5;
const NO_CHIP = new Set(["lang"]); // the language of the text is visible
const STILL_MS = 200; // the progress bar appears after this time
const TIMEOUT_MS = 30_000;
const KEY = "faqtual.key";
const HEADINGS = { 429: "Too many questions at a time", 503: "Not ready to answer", 504: "This took too long" };
const NOT_AN_ANSWER = "The reply is not an answer. A proxy between this page and the service may have sent it.";

const $ = (id) => document.getElementById(id);
const [form, field, message, results, hint, spoken, smallPrint, forget] =
  ["ask", "question", "message", "results", "hint", "status", "small-print", "forget"].map($);

let current = null; // the AbortController of the question that is being asked
let countdown = 0;

// --- helpers

function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== ""));
  return node;
}

// The API key, in session storage; where the browser forbids that, in memory until the page is closed.
const apiKey = {
  key: "",
  get() { try { return sessionStorage.getItem(KEY) ?? this.key; } catch { return this.key; } },
  set(value) {
    this.key = value;
    try { if (value) sessionStorage.setItem(KEY, value); else sessionStorage.removeItem(KEY); } catch { /* as above */ }
    forget.hidden = !value;
  },
};

function percent(p) {
  if (p > 0.99 && p < 1) return "over 99%";
  if (p > 0 && p < 0.01) return "under 1%";
  return `${Math.round(p * 100)}%`;
}

function inWords(p) {
  if (p >= 0.9) return "very likely right";
  if (p >= 0.7) return "probably right";
  if (p >= 0.5) return "more likely than not";
  if (p >= 0.3) return "possibly right";
  return "unlikely to be right";
}

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
function titled(answer) {
  const body = rendered(answer);
  const words = body ? [...body.childNodes].map((node) => node.textContent.trim()).join(" ") : answer.answer;
  if (answer.question || body) return { title: answer.question, rest: words };
  const text = answer.answer.trim();
  const [lead] = text.match(/^.{1,120}?(?:[.!?](?=\s|$)|[。！？]|(?=\n)|$)/u) ?? [""];
  return { title: lead, rest: text.slice(lead.length).replace(/^\s*\n|^ +/, "") };
}

function clip(text, length = 90) {
  return text.length <= length ? text : `${text.slice(0, length).replace(/\s+\S*$/, "")}…`;
}

function safeLink(value) {
  if (typeof value !== "string" || !/^(https?:\/\/|\/(?![/\\]))/i.test(value)) return null;
  try {
    const url = new URL(value, location.origin);
    return /^https?:$/.test(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

// --- one answer

function confidence(p) {
  const fill = el("i");
  fill.style.width = `${Math.round(Math.min(Math.max(p, 0), 1) * 100)}%`;
  return el("p", { className: "confidence" },
    el("span", { className: "bar", "aria-hidden": "true" }, fill),
    el("span", {}, el("span", { className: "unseen" }, "Confidence "), el("b", {}, percent(p))), inWords(p));
}

function chip(name, value) {
  const text = Array.isArray(value) ? value.join(", ") : String(value);
  const label = name === "category" ? el("span", { className: "unseen" }, "category ") : el("span", {}, name);
  return el("span", { className: "chip", title: `${name}: ${text}` }, label, text);
}

function foot(metadata) {
  const link = safeLink(metadata.url);
  const node = el("div", { className: "foot" });
  const chips = Object.entries(metadata)
    .filter(([name, value]) => ![null, undefined, ""].includes(value) && !NO_CHIP.has(name) && !(name === "url" && link))
    .sort(([a], [b]) => (b === "category") - (a === "category"))
    .map(([name, value]) => chip(name, value));
  node.append(...chips.slice(0, CHIPS));
  if (chips.length > CHIPS) {
    const more = el("button", { type: "button", className: "plain" }, `${chips.length - CHIPS} more`);
    more.addEventListener("click", () => { more.replaceWith(...chips.slice(CHIPS)); });
    node.append(more);
  }
  if (link) {
    const where = link.origin === location.origin ? "Read more" : `Read more at ${link.host}`;
    node.append(el("a", { className: "source", href: link.href, rel: "noopener noreferrer" }, where));
  }
  return node;
}

function language(metadata) {
  return /^[a-z]{2,3}(-[a-z0-9]{2,8})*$/i.test(metadata.lang ?? "") ? { lang: metadata.lang } : {};
}

function matched(answer) {
  const other = answer.matched_question;
  if (!other || other === answer.question) return null;
  return el("p", { className: "matched", dir: "auto" }, "Also asked as ", el("q", {}, other));
}

// Questions that are asked when they are clicked.
function questions(heading, entries) {
  const asks = entries.filter(({ question }) => question).map(({ question }) => {
    const button = el("button", { type: "button", dir: "auto" }, el("span", {}, question));
    button.addEventListener("click", () => ask(question, { moveFocus: true }));
    return el("li", {}, button);
  });
  return asks.length ? el("div", { className: "asks" }, el("h3", {}, heading), el("ul", {}, ...asks)) : "";
}

function followUps(answer) {
  return questions("Related questions", answer.follow_ups ?? []);
}

function card(answer) {
  const { title, rest } = titled(answer);
  const metadata = answer.metadata ?? {};
  return el("article", { className: "card" },
    confidence(answer.confidence),
    el("div", language(metadata),
      title ? el("h2", { className: "title", dir: "auto" }, title) : el("h2", { className: "unseen" }, "Passage"),
      matched(answer),
      rest ? prose(answer, rest) : null),
    foot(metadata), followUps(answer));
}

function otherAnswer(answer) {
  const metadata = answer.metadata ?? {};
  const { title, rest } = titled(answer);
  const whole = title || clip(rest);
  return el("details", {},
    el("summary", language(metadata),
      el("span", { className: "q", dir: "auto" }, whole),
      el("span", { className: "n" }, percent(answer.confidence)),
      title && rest ? el("span", { className: "peek", dir: "auto", "aria-hidden": "true" }, clip(rest, 160)) : null),
    el("div", { className: "body" },
      prose(answer, answer.answer, language(metadata)),
      matched(answer), confidence(answer.confidence), foot(metadata), followUps(answer)));
}

// Several answers may be right: the user chooses among their questions. Opening a question shows its answer and closes
// the others. If two questions have the same text, the beginnings of their answers are shown too.
function choices(answers) {
  const titles = answers.map((answer) => titled(answer).title || clip(titled(answer).rest));
  return el("div", { className: "choices" }, ...answers.map((answer, i) => {
    const metadata = answer.metadata ?? {};
    const { title, rest } = titled(answer);
    const same = titles.filter((other) => other === titles[i]).length > 1;
    const node = el("details", {},
      el("summary", language(metadata),
        el("span", { className: "q", dir: "auto" }, titles[i]),
        el("span", { className: "n" }),
        same && title && rest ? el("span", { className: "peek", dir: "auto" }, clip(rest, 160)) : null),
      el("div", { className: "body" },
        prose(answer, answer.answer, language(metadata)),
        matched(answer), confidence(answer.confidence), foot(metadata), followUps(answer)));
    node.setAttribute("name", "choice");
    return node;
  }));
}

function others(answers) {
  if (!answers.length) return [];
  const heading = answers.length === 1 ? "Another possible answer" : "Other possible answers";
  return [el("section", { className: "others" }, el("h2", {}, heading), ...answers.map(otherAnswer))];
}

// --- helpful or not

const REASONS = { wrong: "It is wrong", outdated: "It is out of date", unclear: "It is not clear", other: "Something else" };

async function sendFeedback(body) {
  const key = apiKey.get();
  const response = await fetch("v1/feedback", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`status ${response.status}`);
}

// Asks whether the reply was helpful; if it was not, why. Nothing where the service keeps no feedback.
function feedback({ status, answers, request_id, feedback_token: token }, question) {
  if (!token) return [];
  const faq_id = status === "answered" ? answers[0].faq_id : null;
  const note = el("p", { className: "message", role: "status" });
  const reasons = el("div", { className: "reasons", hidden: true },
    ...Object.entries(REASONS).map(([reason, text]) => choice(text, () => give({ helpful: false, reason }))));
  const node = el("section", { className: "feedback", "aria-label": "Feedback" },
    el("span", {}, status === "no_answer" ? "Was this reply helpful?" : "Was this helpful?"),
    choice("Yes", () => give({ helpful: true })), choice("No", () => give({ helpful: false })), reasons, note);

  function choice(text, act) {
    const button = el("button", { type: "button", className: "plain" }, text);
    button.addEventListener("click", () => {
      for (const other of button.parentNode.children) other.removeAttribute("aria-pressed");
      button.setAttribute("aria-pressed", "true");
      act();
    });
    return button;
  }

  async function give(opinion) {
    try {
      await sendFeedback({ request_id, token, faq_id, question, ...opinion });
      reasons.hidden = opinion.helpful;
      note.textContent = opinion.helpful || opinion.reason ? "Thank you." : "Thank you. What is wrong with it?";
    } catch {
      note.textContent = "The feedback could not be sent. Try again later.";
    }
  }
  return [node];
}

// --- the states of the page

function show(nodes, { say = "", print = "" } = {}) {
  clearInterval(countdown);
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

function noAnswer(suggestions) {
  return el("div", { className: "notice" },
    el("h2", {}, "The FAQ has no answer to this"),
    el("p", {}, "No entry fits well enough to be shown as an answer. Try other words."),
    questions("Questions it does answer", suggestions));
}

function showAnswer(reply, question) {
  const { status, answers, suggestions = [], release, took_ms: took } = reply;
  const print = [typeof took === "number" ? `${took < 10 ? took.toFixed(1) : Math.round(took)} ms` : "", release]
    .filter(Boolean).join(" · ");
  if (!answers.length) {
    const count = suggestions.filter(({ question }) => question).length;
    show([noAnswer(suggestions), ...feedback(reply, question)], { print, say: `The FAQ has no answer to this. ${count ? `${count} suggested.` : ""}` });
  } else if (status === "ambiguous" && answers.length > 1) {
    const heading = "Did you mean";
    show([lead(heading, "The FAQ answers several questions like yours. Choose one to see its answer."), choices(answers),
      ...feedback(reply, question)],
      { print, say: `${heading}: ${answers.map((a) => clip(titled(a).title)).join("; or ")}` });
  } else {
    const [best, ...rest] = answers;
    const say = `Answer, ${percent(best.confidence)}, ${inWords(best.confidence)}: ${titled(best).title}`;
    show([card(best), ...feedback(reply, question), ...others(rest)], { print, say });
  }
}

function notice(className, heading, text, ...more) {
  show([el("div", { className: `notice ${className}` }, el("h2", {}, heading), el("p", {}, text), ...more)],
    { say: `${heading}. ${text}` });
}

const failed = (...what) => notice("failed", ...what);

function retryButton(question, seconds) {
  const button = el("button", { type: "button", className: "retry" }, "Try again");
  let left = Math.min(seconds, 3600);
  const tick = () => {
    button.textContent = left > 0 ? `Try again in ${left > 90 ? `${Math.ceil(left / 60)} min` : `${left} s`}` : "Try again";
    button.setAttribute("aria-disabled", String(left > 0));
    if (left-- <= 0) clearInterval(countdown);
  };
  button.addEventListener("click", () => { if (left < 0) ask(question, { moveFocus: true }); });
  return { button, start() { tick(); if (seconds > 0) countdown = setInterval(tick, 1000); } };
}

function keyForm(question, wrong) {
  const input = el("input", { id: "key", type: "password", autocomplete: "off", "aria-describedby": "key-message" });
  const note = el("p", { id: "key-message", className: "message" });
  const refuse = (why) => { note.textContent = why; note.classList.add("wrong"); };
  note.textContent = "The key is kept until you close this tab.";
  if (wrong) refuse(wrong);
  const node = el("form", { className: "key" }, el("label", { htmlFor: "key" }, "Key"), input,
    el("button", { type: "submit" }, "Use key"), note);
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    const key = input.value.trim();
    if (!/^[\x21-\x7e]+$/.test(key)) {
      refuse(key ? "A key has letters, digits and punctuation, and no spaces." : "Enter a key first.");
      input.focus();
      return;
    }
    apiKey.set(key);
    ask(question, { moveFocus: true });
  });
  return node;
}

function waitOf(response) {
  const value = response.headers.get("Retry-After") ?? "";
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.ceil((Date.parse(value) - Date.now()) / 1000);
  return seconds > 0 ? seconds : 0;
}

function fieldErrors(errors) {
  return (Array.isArray(errors) ? errors : []).map((error) => {
    const name = error.field ?? error.pointer ?? (Array.isArray(error.loc) ? error.loc.join(".") : error.loc) ?? "";
    const why = String(error.detail ?? error.message ?? error.msg ?? "is not valid");
    return { name: String(name).replace(/^(#?\/|body[./])+/, ""), text: why.charAt(0).toUpperCase() + why.slice(1) };
  });
}

function showProblem(question, response, problem) {
  const { status } = response;
  const silent = `The service replied with status ${status} and no reason.`;
  const text = typeof problem.detail === "string" && problem.detail ? problem.detail : silent;
  const reference = problem.request_id ? el("p", { className: "reference" }, `Reference ${problem.request_id}`) : null;
  if (status === 401 || status === 403) {
    const sent = apiKey.get();
    apiKey.set("");
    notice("asks-key", status === 401 ? "A key is needed to ask here" : "This key may not ask here", text,
      keyForm(question, sent && status === 401 ? "The key was not accepted." : ""));
    $("key").focus();
  } else if (status === 422) {
    const errors = fieldErrors(problem.errors);
    const questionError = errors.find(({ name }) => /(^|[./])question$/.test(name));
    const rest = errors.filter((error) => error !== questionError);
    const list = rest.map(({ name, text: why }) => el("li", {}, name ? `${name}: ${why}` : why));
    setMessage(questionError ? questionError.text : text, true);
    const fields = list.length ? el("ul", { className: "fields" }, ...list) : null;
    failed("The service did not accept this question", text, fields);
    field.focus();
  } else {
    const heading = HEADINGS[status] ?? "The question could not be answered";
    const retry = retryButton(question, waitOf(response));
    failed(heading, text, retry.button, reference);
    retry.start();
  }
}

function showUnreachable(question, text) {
  const retry = retryButton(question, 0);
  failed("The service cannot be reached", text, retry.button);
  retry.start();
}

function showEmpty() {
  current?.abort();
  current = null;
  settle();
  setMessage("");
  show([]);
  document.title = "Ask · Faqtual";
}

// --- asking

async function send(question, signal) {
  const key = apiKey.get();
  const response = await fetch("v1/ask", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ question, top_k: TOP_K, render: "html" }),
    signal,
  });
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

async function ask(question, { push = true, moveFocus = false } = {}) {
  current?.abort();
  const request = (current = new AbortController());
  place(question, push);
  setMessage("");
  spoken.textContent = ""; // so that a screen reader announces the same outcome twice
  const timers = [
    setTimeout(() => {
      document.body.classList.add("waiting");
      results.setAttribute("aria-busy", "true");
      spoken.textContent = "Looking for an answer…";
    }, STILL_MS),
    setTimeout(() => request.abort("timeout"), TIMEOUT_MS),
  ];
  let draw;
  try {
    const { response, body } = await send(question, request.signal);
    if (!response.ok) draw = () => showProblem(question, response, body);
    else if (Array.isArray(body.answers)) draw = () => showAnswer(body, question);
    else draw = () => showUnreachable(question, NOT_AN_ANSWER);
  } catch {
    const text = request.signal.reason === "timeout"
      ? `No reply within ${TIMEOUT_MS / 1000} seconds.` : "Check the connection, then try again. Your question is kept.";
    draw = () => showUnreachable(question, text);
  }
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
  setMessage(length >= 900 ? `${length} of ${field.maxLength} characters` : "");
}

function place(question, push) {
  field.value = question;
  grow();
  document.title = `${clip(question, 60)} · Faqtual`;
  const url = new URL(location.href);
  const same = url.searchParams.get("q") === question;
  url.searchParams.set("q", question);
  if (push && !same) history.pushState(null, "", url);
}

function fromAddress() {
  const question = (new URLSearchParams(location.search).get("q") ?? "").trim();
  field.value = question;
  grow();
  if (question) ask(question, { push: false });
  else showEmpty();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const question = field.value.trim();
  if (!question) {
    setMessage("Type a question first.", true);
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
  spoken.textContent = "The key is deleted.";
  field.focus();
});

addEventListener("popstate", fromAddress);
forget.hidden = !apiKey.get();
fromAddress();
