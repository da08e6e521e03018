// IndexedDB "tntn": what must outlive the page. Writes are strict: on the disk before anyone is told.

const NAME = "tntn";
const VERSION = 1;
/** device: this phone's key, name and sequences. outbox: own records, by id. facts: what the node last said. */
const STORES = { device: null, outbox: "id", facts: null };

let opened;

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      for (const [name, keyPath] of Object.entries(STORES)) request.result.createObjectStore(name, { keyPath });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** The value under a key, or undefined. */
export const read = async (store, key) => result((await transaction(store, "readonly")).objectStore(store).get(key));

/** All values of a store. */
export const readAll = async (store) => result((await transaction(store, "readonly")).objectStore(store).getAll());

/** Runs `change(objectStore)` in one transaction; resolves once it is on the disk. */
export async function write(store, change) {
  const tx = await transaction(store, "readwrite");
  const done = new Promise((resolve, reject) => {
    tx.oncomplete = resolve;
    tx.onabort = tx.onerror = () => reject(tx.error);
  });
  change(tx.objectStore(store));
  return done;
}

async function transaction(store, mode) {
  opened ??= open().catch((error) => {
    opened = undefined;
    throw error;
  });
  return (await opened).transaction(store, mode, { durability: "strict" });
}

function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
