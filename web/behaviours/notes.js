// The calm strips that pages carry as templates (templates/_notes.html), put below the page's heading.

const HEADINGS = "main .packet, main .oxford, main .slate";

/** Shows a note once and returns it; the same note again is the one that stands there. */
export function showNote(name) {
  const id = `shown-${name}`;
  const shown = document.getElementById(id);
  if (shown) return shown;
  const template = document.getElementById(`note-${name}`);
  const note = template.content.firstElementChild.cloneNode(true);
  note.id = id;
  const heading = document.querySelector(HEADINGS);
  if (heading) heading.after(note);
  else document.querySelector("main").prepend(note);
  return note;
}

/** The part of a clone that carries data-part="name". */
export const part = (element, name) => element.querySelector(`[data-part="${name}"]`);
