// Tells the reader that a fine-tuned model went live: one small request now and then, while the page is in sight and the
// base model answers.

import { button, el } from "./dom.js";
import { apiKey, get } from "./service.js";
import { share, t } from "./words.js";

const EVERY_MS = 20_000;

// `place`: a live region, which is empty until there is something to tell. `leave` is called when the reader dismisses it.
export function watchRelease(place, leave) {
  let model = null; // which answered at the last request
  let watching = true;
  let due = 0;
  let timer = 0;

  function schedule() {
    clearTimeout(timer);
    if (watching && !document.hidden) timer = setTimeout(ask, Math.max(0, due - Date.now()));
  }

  async function ask() {
    due = Date.now() + EVERY_MS;
    try {
      const response = await get("release");
      if (response.ok) learn(await response.json());
      else watching = response.status !== 401 && response.status !== 403; // until the reader gives a key
    } catch { /* the next request may reach it */ }
    schedule();
  }

  function learn({ model: now, fine_tuned: tuned, gain }) {
    if (model && model !== now) tell(tuned ? tunedText(gain) : t("new_release"));
    model = now;
    watching = !tuned;
  }

  function tell(text) {
    const dismiss = button(t("dismiss"), { className: "plain" }, () => {
      place.replaceChildren();
      leave();
    });
    place.replaceChildren(el("p", {}, text), dismiss);
  }

  document.addEventListener("visibilitychange", schedule);
  apiKey.onChange(() => {
    watching = true;
    schedule();
  });
  schedule();
}

function tunedText(gain) {
  if (!gain) return t("tuned");
  return `${t("tuned")}: ${t("gain", { before: share(gain.before), after: share(gain.after) })}`;
}
