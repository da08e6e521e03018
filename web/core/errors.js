// What can go wrong with bytes and with input. The codes are those of docs/protocol/record.md.

/** Bytes from outside that break their format; `code` is a short word of the spec. */
export class DecodeError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** What a person gave cannot be used; `field` names the input. */
export class InputError extends Error {
  constructor(message, field) {
    super(message);
    this.field = field;
  }
}
