// Requests to the service, with the key that the user gave.

const KEY = "faqtual.key";
const changed = new EventTarget(); // tells when a key is set or deleted

// The API key, in session storage; where the browser forbids that, in memory until the page is closed.
export const apiKey = {
  key: "",
  get() { try { return sessionStorage.getItem(KEY) ?? this.key; } catch { return this.key; } },
  set(value) {
    this.key = value;
    try { if (value) sessionStorage.setItem(KEY, value); else sessionStorage.removeItem(KEY); } catch { /* as above */ }
    changed.dispatchEvent(new Event("change"));
  },
  onChange(act) { changed.addEventListener("change", act); },
};

function authorization() {
  const key = apiKey.get();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

export function post(path, body, signal) {
  const headers = { "Content-Type": "application/json", ...authorization() };
  return fetch(`v1/${path}`, { method: "POST", headers, body: JSON.stringify(body), signal });
}

export function get(path, signal) {
  return fetch(`v1/${path}`, { headers: authorization(), signal });
}

// The seconds that the service asks to wait; 0 if it does not say.
export function waitOf(response) {
  const value = response.headers.get("Retry-After") ?? "";
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.ceil((Date.parse(value) - Date.now()) / 1000);
  return seconds > 0 ? seconds : 0;
}
