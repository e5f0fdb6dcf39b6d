// The page's own words, in the language of FAQ_PAGE_LANGUAGE. The service makes texts.js of texts/<language>.toml.

import texts from "./texts.js";

const language = document.documentElement.lang;
const plural = new Intl.PluralRules(language);
const shares = new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const percents = new Intl.NumberFormat(language, { style: "percent" });

// A text with its {names} filled in.
export function t(name, values = {}) {
  return texts[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

// A text that depends on a number: `name_one` or `name_other`.
export function counted(name, n) {
  return t(`${name}_${plural.select(n) === "one" ? "one" : "other"}`, { n });
}

export function percent(p) {
  if (p > 0.99 && p < 1) return t("over", { percent: percents.format(0.99) });
  if (p > 0 && p < 0.01) return t("under", { percent: percents.format(0.01) });
  return percents.format(p);
}

// A share with two digits, as the terminal writes it: .82, or 0,82 in languages with a comma.
export function share(p) {
  return shares.format(p).replace(/^0\./, ".");
}

export function inWords(p) {
  if (p >= 0.9) return t("very_likely");
  if (p >= 0.7) return t("probably");
  if (p >= 0.5) return t("more_likely");
  if (p >= 0.3) return t("possibly");
  return t("unlikely");
}
