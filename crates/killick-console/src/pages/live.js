// Keeps the page up to date: fetches it again and replaces its main part, while somebody looks at it.
"use strict";
setInterval(async () => {
  if (document.hidden || document.activeElement?.matches("input, select")) return;
  try {
    const answer = await fetch(location.href, { cache: "no-store", redirect: "error" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.querySelector("main");
    const now = document.querySelector("main");
    if (next && now && next.innerHTML !== now.innerHTML) now.replaceWith(document.adoptNode(next));
  } catch {
    // The console is gone for the moment; the page stays as it was.
  }
}, 2000);
