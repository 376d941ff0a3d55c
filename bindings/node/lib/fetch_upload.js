/* Request bodies of fetch: what a caller may pass, as bytes or as pieces that are read while they
 * travel.
 *
 *   payloadOf(body) -> { bytes, type }              in memory: sent with its length
 *                   -> { size, open(), once, type } an iterator; size undefined: not known
 *
 * A form's length is known before it is sent, since servers may refuse chunks: its parts are laid
 * out as one Blob, which refers to the files in it and copies none. Nothing is read ahead of what
 * the connection takes. */
const BYTES_MAX = 1 << 20;
const PIECE_BYTES = 65536;
const encoder = new TextEncoder();

function ofBytes(view) {
  return ArrayBuffer.isView(view)
    ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array(view);
}

/* A stream as an iterator whose return() takes effect even while a piece is waited for. */
function piecesOf(stream) {
  if (!(stream instanceof ReadableStream)) return stream[Symbol.asyncIterator]();
  const reader = stream.getReader();
  return { next: () => reader.read(), return: (reason) => reader.cancel(reason) };
}

/* A small Blob is read at once, a larger one (which may be a file) as it is sent. */
async function ofBlob(blob, type) {
  if (blob.size <= BYTES_MAX) return { bytes: new Uint8Array(await blob.arrayBuffer()), type };
  return { size: blob.size, open: () => piecesOf(blob.stream()), once: false, type };
}

const quoted = (name) =>
  name.replace(/\n/g, '%0A').replace(/\r/g, '%0D').replace(/"/g, '%22');
const lines = (text) => text.replace(/\r?\n|\r/g, '\r\n');

/* RFC 7578, as HTML lays it out. */
function ofForm(form) {
  const boundary = `----leat-${crypto.randomUUID()}`;
  const parts = [];
  for (const [name, value] of form) {
    const field = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(lines(name))}"`;
    if (typeof value === 'string') {
      parts.push(`${field}\r\n\r\n${lines(value)}\r\n`);
    } else {
      parts.push(`${field}; filename="${quoted(value.name)}"\r\nContent-Type: ` +
        `${value.type || 'application/octet-stream'}\r\n\r\n`, value, '\r\n');
    }
  }
  parts.push(`--${boundary}--\r\n`);
  return ofBlob(new Blob(parts), `multipart/form-data; boundary=${boundary}`);
}

const TURN = Symbol('turn');
const turn = () => new Promise((resolve) => setImmediate(resolve, TURN));

/* The steps of an iterator of which some were taken already, the last of them perhaps unfinished. */
function after(steps, iterator) {
  const open = () => ({
    next: () => steps.shift() ?? iterator.next(), return: (reason) => iterator.return(reason),
  });
  return { size: undefined, open, once: true, type: null };
}

/* A Request keeps its body as a stream, whatever it was made of. What is there at once is sent with
 * its length; what takes its time, or is large, is a stream. */
async function ofRequest(stream) {
  const iterator = piecesOf(stream);
  const steps = [];
  const pieces = [];
  for (let size = 0; size <= BYTES_MAX;) {
    steps.push(iterator.next());
    const step = await Promise.race([steps.at(-1), turn()]);
    if (step === TURN) break;
    if (step.done) return { bytes: Buffer.concat(pieces), type: null };
    pieces.push(piece(step.value));
    size += step.value.length;
  }
  return after(steps, iterator);
}

function ofStream(stream) {
  if (stream.locked) throw new TypeError('Response body object should not be disturbed or locked');
  return { size: undefined, open: () => piecesOf(stream), once: true, type: null };
}

/** What is to be sent of a body as fetch takes it. */
export async function payloadOf(body, fromRequest) {
  if (typeof body === 'string') {
    return { bytes: encoder.encode(body), type: 'text/plain;charset=UTF-8' };
  }
  if (ArrayBuffer.isView(body) || body instanceof ArrayBuffer) {
    return { bytes: ofBytes(body), type: null };
  }
  if (body instanceof URLSearchParams) {
    return { bytes: encoder.encode(body.toString()),
      type: 'application/x-www-form-urlencoded;charset=UTF-8' };
  }
  if (body instanceof Blob) return ofBlob(body, body.type || null);
  if (body instanceof FormData) return ofForm(body);
  if (fromRequest && body instanceof ReadableStream) return ofRequest(body);
  if (typeof body === 'object' && Symbol.asyncIterator in body) return ofStream(body);
  return { bytes: encoder.encode(String(body)), type: 'text/plain;charset=UTF-8' };
}

function piece(value) {
  if (value instanceof Uint8Array) return value;
  throw new TypeError('a body gave something else than a Uint8Array');
}

/** Brings the pieces of a body to an exchange, as fast as that takes them. */
export class Upload {
  constructor(exchange, pieces /* an iterator */) {
    this.exchange = exchange;
    this.iterator = pieces;
    this.error = null; /* what the body failed with */
    this.stopped = false;
    this.wake = null;
  }

  async run() {
    try {
      for (let step = await this.iterator.next(); !this.stopped; step = await this.iterator.next()) {
        if (step.done) {
          this.exchange.finish();
          return;
        }
        await this.write(piece(step.value));
      }
    } catch (error) {
      this.error = error;
      if (!this.stopped) this.exchange.fail();
    }
  }

  async write(bytes) {
    for (let at = 0; at < bytes.length && !this.stopped; at += PIECE_BYTES) {
      if (!this.exchange.write(bytes.subarray(at, at + PIECE_BYTES))) {
        await new Promise((resolve) => { this.wake = resolve; });
      }
    }
  }

  room() {
    this.wake?.();
    this.wake = null;
  }

  /** The exchange takes nothing more: the body is told so, when it is asked for the next piece or
   * waits for one. */
  stop(reason) {
    if (this.stopped) return;
    this.stopped = true;
    this.room();
    Promise.resolve(this.iterator.return?.(reason)).catch(() => {}); /* the body's own affair */
  }
}
