// The page decides what happens when somebody wants to talk to a person.
document.addEventListener("faq-talk", () => { document.getElementById("talk").hidden = false; });
