'use strict';

/** Thrown where a request is refused: it becomes the answer. */
class Refusal extends Error {
  constructor(status, code, message, headers) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

module.exports = { Refusal };
