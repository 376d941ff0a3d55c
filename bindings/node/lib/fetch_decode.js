/* Content-codings of responses, undone as fetch does it: gzip, deflate, br, and zstd where Node has
 * it, the last that was applied first. With a coding that is not known the body stays as it came.
 * A body that ends early gives what could be decoded: that it is not whole is the exchange's to
 * tell. Nothing is decoded ahead of what is read. */
import { pipeline } from 'node:stream';
import zlib from 'node:zlib';
import { Body } from './fetch_body.js';

const CODINGS_MAX = 5;
const GZIP = { flush: zlib.constants.Z_SYNC_FLUSH, finishFlush: zlib.constants.Z_SYNC_FLUSH };
const BROTLI = {
  flush: zlib.constants.BROTLI_OPERATION_FLUSH, finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH,
};

/* "deflate" is meant to have zlib's frame, and often has none: its first byte tells. */
function inflate(first) {
  return (first & 0x0f) === 8 ? zlib.createInflate(GZIP) : zlib.createInflateRaw(GZIP);
}

const MAKERS = {
  'gzip': () => zlib.createGunzip(GZIP),
  'x-gzip': () => zlib.createGunzip(GZIP),
  'deflate': inflate,
  'br': () => zlib.createBrotliDecompress(BROTLI),
};
if (zlib.createZstdDecompress) {
  MAKERS.zstd = () => zlib.createZstdDecompress({
    flush: zlib.constants.ZSTD_e_continue, finishFlush: zlib.constants.ZSTD_e_end,
  });
}

/* Takes the place of a body before the exchange, and is the `source` of the decoded one. */
class Decoder {
  constructor(source, codings) {
    this.source = source;
    this.makers = codings.map((coding) => MAKERS[coding]).reverse();
    this.first = this.last = null; /* made at the first byte, since deflate looks at it */
    this.into = new Body(this);
    this.error = null; /* how the exchange ended */
  }

  start(byte) {
    const chain = this.makers.map((make, i) => make(i === 0 ? byte : 0x78));
    this.first = chain[0];
    this.last = chain[chain.length - 1];
    this.first.on('drain', () => this.source.resume());
    this.last.on('data', ({ buffer, byteOffset, length }) =>
      this.into.push(new Uint8Array(buffer, byteOffset, length)));
    if (chain.length > 1) pipeline(chain, (error) => this.finished(error));
    else this.last.once('end', () => this.finished(null)).on('error', (e) => this.finished(e));
  }

  finished(error) {
    if (error && !this.into.ended) {
      this.source.cancel();
      this.into.end(new TypeError('terminated', { cause: error }));
    } else {
      this.into.end(this.error);
    }
  }

  /* ---- from the exchange */

  push(chunk) {
    if (this.into.ended) return;
    if (!this.first) this.start(chunk[0]);
    if (!this.first.write(chunk)) this.source.pause();
  }

  end(error) {
    this.error = error;
    if (this.first && !this.into.ended) this.first.end();
    else this.into.end(error);
  }

  fail(error) {
    this.first?.destroy();
    this.into.fail(error);
  }

  /* ---- from who reads */

  pause() {
    this.last.pause();
  }

  resume() {
    this.last.resume();
  }

  cancel() {
    this.source.cancel();
    this.first?.destroy();
  }
}

function listOf(header) {
  const codings = (header ?? '').toLowerCase().split(',').map((coding) => coding.trim())
    .filter((coding) => coding && coding !== 'identity');
  if (codings.length > CODINGS_MAX) {
    throw new TypeError('fetch failed', {
      cause: new Error(`${codings.length} content-codings; at most ${CODINGS_MAX} are undone`),
    });
  }
  return codings.every((coding) => Object.hasOwn(MAKERS, coding)) ? codings : [];
}

/** Two ends: `into` takes push, end and fail of an exchange, `body` is read. They are one where
 * the header names no coding. */
export function bodyOf(source, header) {
  const codings = listOf(header);
  if (codings.length > 0) {
    const into = new Decoder(source, codings);
    return { into, body: into.into };
  }
  const body = new Body(source);
  return { into: body, body };
}
