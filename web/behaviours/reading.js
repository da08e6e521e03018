// Plain HTTP: browsers give no keys and no offline pages there, so this address is for reading. Says so, and where to
// go to write.

import { part, showNote } from "tntn/behaviours/notes.js";

export default function readOnly() {
  const { httpsPort } = document.documentElement.dataset;
  const note = showNote("reading");
  part(note, "secure").hidden = !httpsPort;
  part(note, "ask").hidden = Boolean(httpsPort);
  document.querySelectorAll("form .field, form .dock").forEach((element) => (element.hidden = true));
  if (!httpsPort) return;
  const secure = new URL(`https://${location.hostname}:${httpsPort}${location.pathname}`);
  const address = part(note, "address");
  address.href = secure;
  address.textContent = secure.host;
}
