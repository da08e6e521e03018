// Runs the cases of tests/vectors/record.json in the page; resolves to the outcome of each, in the file's form.
async (cases) => {
  const { fromHex, hex, sha256 } = await import("tntn/core/bytes.js");
  const { encodeMap } = await import("tntn/core/cbor.js");
  const { unpack } = await import("tntn/core/compression.js");
  const { verify } = await import("tntn/core/ed25519.js");
  const { DecodeError } = await import("tntn/core/errors.js");
  const envelopes = await import("tntn/core/envelope.js");
  const records = await import("tntn/core/record.js");
  const noble = await import("tntn/vendor/noble-ed25519.js");

  const bytes = (value) => fromHex(value.times ? value.hex.repeat(value.times) : (value.hex ?? value));
  const fieldsOf = ({ lifetime, author, sequence, minutes, kind, ref, body, compressed }) => ({
    lifetime, author: hex(author), sequence, minutes, kind, ref: ref && hex(ref), body: hex(body), compressed,
  });
  const keysOf = (spaceId, { number, epoch_key }) => envelopes.deriveEpochKeys(bytes(spaceId), number, bytes(epoch_key));
  const identify = async (signed, publicKey, spaceId) => {
    const isGood = await records.isSignedBy(signed, bytes(publicKey), bytes(spaceId), verify);
    if (!isGood) throw new DecodeError("signature", "");
    return hex(await records.recordId(signed, bytes(publicKey), bytes(spaceId)));
  };

  const operations = {
    async derive_epoch_keys({ space_id, epoch_key }) {
      const { number, ...keys } = await keysOf(space_id, { number: 1, epoch_key });
      return Object.fromEntries(Object.entries(keys).map(([name, value]) => [name, hex(value)]));
    },
    async encode_introduction({ public_key, name }) {
      const body = encodeMap(new Map([[2, name], [1, bytes(public_key)]]));
      return { body: hex(body), device_id: hex((await sha256(bytes(public_key))).slice(0, 4)) };
    },
    async unpack({ wire_body, limit }) {
      return { body: hex(await unpack(bytes(wire_body), limit)) };
    },
    async sign({ seed, space_id, ref, wire_body, ...given }) {
      const publicKey = await noble.getPublicKeyAsync(bytes(seed));
      const author = (await sha256(publicKey)).slice(0, 4);
      const key = { publicKey, sign: (message) => noble.signAsync(message, bytes(seed)) };
      const record = { ...given, author, ref: ref && bytes(ref), wireBody: bytes(wire_body) };
      const signed = await records.sign(record, key, bytes(space_id));
      const id = await records.recordId(signed, publicKey, bytes(space_id));
      const encoded = records.encodeSigned(signed);
      return { public_key: hex(publicKey), author: hex(author), signed: hex(encoded), record_id: hex(id) };
    },
    async decode_signed({ signed }) {
      return fieldsOf((await records.decodeSigned(bytes(signed))).record);
    },
    async verify({ signed, public_key, space_id }) {
      return { record_id: await identify(await records.decodeSigned(bytes(signed)), public_key, space_id) };
    },
    async seal({ signed, space_id, epoch }) {
      const keys = await keysOf(space_id, epoch);
      const envelope = await envelopes.seal(await records.decodeSigned(bytes(signed)), keys);
      return { envelope: hex(envelope), envelope_id: hex(await envelopes.envelopeId(envelope)) };
    },
    async open_envelope({ envelope, space_id, epochs, public_key }) {
      const keys = await Promise.all(epochs.map((epoch) => keysOf(space_id, epoch)));
      const { signed, epoch } = await envelopes.open(bytes(envelope), keys);
      return { epoch, record_id: await identify(signed, public_key, space_id), ...fieldsOf(signed.record) };
    },
  };

  const outcomes = [];
  for (const { op, in: input } of cases) {
    try {
      outcomes.push({ ok: await operations[op](input) });
    } catch (error) {
      outcomes.push({ error: error.code ?? String(error) });
    }
  }
  return outcomes;
}
