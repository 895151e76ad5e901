// What plain forms cannot do: the preview follows while somebody types, changed entries are marked, and leaving with unsaved ones asks. It
// posts the page's own form to the page's own address and puts in what it is answered, which the server has escaped; it keeps nothing.
"use strict";

function editor(form) {
  const initial = new Map();
  const wait = 350;
  let timer = 0;
  let asked = null;
  let saving = false;

  // values are the fields of an entry as they would be sent.
  function values(entry) {
    return Array.from(entry.querySelectorAll("input, select, textarea"), (field) => {
      return field.type === "checkbox" ? field.checked : field.value;
    }).join("\u0000");
  }

  function mark() {
    let changed = 0;
    form.querySelectorAll(".entry").forEach((entry) => {
      const differs = initial.get(entry) !== values(entry) || entry.dataset.changed !== undefined;
      entry.classList.toggle("changed", differs);
      changed += differs ? 1 : 0;
    });
    const count = document.getElementById("changes");
    if (count) {
      count.textContent = changed > 0 ? count.dataset.text.replace("#", changed) : "";
    }
    return changed;
  }

  async function refresh() {
    const panel = document.getElementById("preview");
    if (asked) {
      asked.abort();
    }
    asked = new AbortController();
    panel.classList.add("stale");
    const open = new Map(Array.from(panel.querySelectorAll("details[id]"), (d) => [d.id, d.open]));
    try {
      const answer = await fetch(form.dataset.preview, {
        method: "POST", body: new URLSearchParams(new FormData(form)), credentials: "same-origin", redirect: "error", signal: asked.signal,
      });
      if (!answer.ok) {
        return;
      }
      const shown = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("preview");
      if (!shown) {
        return;
      }
      shown.querySelectorAll("details[id]").forEach((d) => {
        if (open.has(d.id)) {
          d.open = open.get(d.id);
        }
      });
      const focused = document.activeElement && document.activeElement.id;
      panel.replaceWith(shown);
      if (focused === "client") {
        document.getElementById("client").focus();
      }
    } catch (error) {
      if (error.name !== "AbortError") {
        panel.classList.add("stale");
      }
    }
  }

  form.querySelectorAll(".entry").forEach((entry) => initial.set(entry, values(entry)));
  const before = form.dataset.unsaved !== undefined;
  form.addEventListener("input", () => {
    mark();
    clearTimeout(timer);
    timer = setTimeout(refresh, wait);
  });
  form.addEventListener("submit", () => {
    saving = true;
  });
  window.addEventListener("beforeunload", (event) => {
    if (!saving && (before || mark() > 0)) {
      event.preventDefault();
    }
  });
  // Ctrl+S and Cmd+S save.
  document.addEventListener("keydown", (event) => {
    const save = document.getElementById("save");
    if ((event.ctrlKey || event.metaKey) && event.key === "s" && save) {
      event.preventDefault();
      form.requestSubmit(save);
    }
  });
}

document.querySelectorAll("form[data-preview]").forEach(editor);

// Fields that are for one kind of value alone are shown with it.
const kind = document.querySelector("#definition-form #type");
if (kind) {
  const show = () => {
    document.querySelectorAll("#definition-form [data-for]").forEach((field) => {
      field.hidden = field.dataset.for !== kind.value;
    });
  };
  kind.addEventListener("change", show);
  show();
}

// "/" leads to the search.
document.addEventListener("keydown", (event) => {
  const search = document.querySelector("#search #handle, #filter #actor");
  const typing = event.target.closest("input, textarea, select");
  if (event.key === "/" && !typing && search && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    search.focus();
  }
});
