// The form of an import: drop a file, which is then checked at once, and the progress of sending it.
const form = document.querySelector("[data-import]");
const drop = form.querySelector("[data-drop]");
const input = drop.querySelector("input");
const bar = form.querySelector("[data-progress]");

function check() {
  if (!input.files.length) return;
  drop.querySelector("[data-name]").textContent = input.files[0].name;
  drop.classList.add("filled");
  form.querySelector("[data-check]").click(); // a click, as htmx sends the value of the button clicked last
}
input.addEventListener("change", check);
for (const type of ["dragover", "dragenter"]) {
  drop.addEventListener(type, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (!event.dataTransfer.files.length) return;
  input.files = event.dataTransfer.files;
  check();
});
form.addEventListener("change", (event) => { // another choice makes what was checked before untrue
  if (event.target !== input) document.getElementById("result").replaceChildren();
});
form.addEventListener("htmx:beforeRequest", () => { bar.removeAttribute("value"); bar.classList.add("shown"); });
form.addEventListener("htmx:xhr:progress", ({ detail }) => {
  if (detail.lengthComputable && detail.loaded < detail.total) bar.value = detail.loaded / detail.total;
  else bar.removeAttribute("value");
});
form.addEventListener("htmx:afterRequest", () => bar.classList.remove("shown"));
