// Asks whether a reply was helpful, and if it was not, why.

import { button, el } from "./dom.js";
import { post } from "./service.js";
import { t } from "./words.js";

const REASONS = ["wrong", "outdated", "unclear", "other"];

async function send(body) {
  const response = await post("feedback", body);
  if (!response.ok) throw new Error(`status ${response.status}`);
}

// The elements that ask; none where the service keeps no feedback.
export function feedback({ status, answers, request_id, feedback_token: token }, question) {
  if (!token) return [];
  const faq_id = status === "answered" ? answers[0].faq_id : null;
  const note = el("p", { className: "message", role: "status" });
  const reasons = el("div", { className: "reasons", hidden: true },
    ...REASONS.map((reason) => choice(t(`reason_${reason}`), { helpful: false, reason })));

  function choice(text, opinion) {
    return button(text, { className: "plain" }, (self) => {
      for (const other of self.parentNode.children) other.removeAttribute("aria-pressed");
      self.setAttribute("aria-pressed", "true");
      give(opinion);
    });
  }

  async function give(opinion) {
    try {
      await send({ request_id, token, faq_id, question, ...opinion });
      reasons.hidden = opinion.helpful;
      note.textContent = opinion.helpful || opinion.reason ? t("thanks") : t("thanks_why");
    } catch {
      note.textContent = t("feedback_failed");
    }
  }

  return [el("section", { className: "feedback", "aria-label": t("feedback") },
    el("span", {}, status === "no_answer" ? t("reply_helpful") : t("helpful")),
    choice(t("yes"), { helpful: true }), choice(t("no"), { helpful: false }), reasons, note)];
}
