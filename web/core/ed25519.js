// Ed25519: WebCrypto where the browser has it (Chrome 137, Firefox 129, Safari 17), @noble/ed25519 elsewhere.
// noble runs with zip215 off: signatures are checked as RFC 8032 says and as libsodium does on the nodes.

const ALGORITHM = { name: "Ed25519" };

let native;

/** Whether WebCrypto signs with Ed25519 here; asked once. */
export function isNative() {
  native ??= crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]).then(
    () => true,
    () => false,
  );
  return native;
}

const noble = () => import("tntn/vendor/noble-ed25519.js");

/** { publicKey, secret }: a CryptoKey that cannot be exported, or 32 bytes where only noble can sign. */
export async function generate() {
  if (!(await isNative())) {
    const { keygenAsync } = await noble();
    const { secretKey, publicKey } = await keygenAsync();
    return { publicKey, secret: secretKey };
  }
  const pair = await crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]);
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  return { publicKey, secret: pair.privateKey };
}

export async function sign(secret, message) {
  if (secret instanceof Uint8Array) return (await noble()).signAsync(message, secret);
  return new Uint8Array(await crypto.subtle.sign(ALGORITHM, secret, message));
}

/** True when `signature` is that key's over `message`; never throws on bad bytes. */
export async function verify(publicKey, message, signature) {
  try {
    if (!(await isNative())) return (await noble()).verifyAsync(signature, message, publicKey, { zip215: false });
    const key = await crypto.subtle.importKey("raw", publicKey, ALGORITHM, false, ["verify"]);
    return await crypto.subtle.verify(ALGORITHM, key, signature, message);
  } catch {
    return false;
  }
}
