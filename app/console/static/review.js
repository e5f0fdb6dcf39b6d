// The review queue: a digit chooses an entry, `u` undoes the last decision. The other keys are those of the buttons.
const card = document.querySelector("[data-review]");

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("textarea, input:not([type=radio])")) return;
  const choice = card?.querySelector(`[data-choice="${CSS.escape(event.key)}"]`);
  const undo = event.key === "u" ? document.querySelector("#flash form button:not([data-dismiss])") : null;
  if (!choice && !undo) return;
  event.preventDefault();
  if (choice) choice.checked = true;
  if (choice) choice.focus();
  if (undo) undo.click();
});
