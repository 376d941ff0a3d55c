/* A response's body: pieces as they came, until somebody reads them.
 *
 *   push(chunk)*, end(error or null)   from the exchange, or from a content-coding that is undone
 *   stream()                           the ReadableStream over it, made once
 *
 * The stream is a byte stream that holds nothing itself: it pulls when it is read. Its own
 * asynchronous iterator is the fast path, which the SDKs take: it hands pieces on without the
 * stream's machinery, and locks the stream as any reader does. Whoever has read with a reader
 * before gets the stream's usual iterator.
 *
 * At 256 KiB that nobody has read the exchange is paused, at half of it resumed. A stream that is
 * cancelled, left in the middle, or collected as garbage cancels the exchange. A piece that is
 * handed out is a copy: the engine's memory is shared with other exchanges. */
const HELD_BYTES_MAX = 262144;
const DONE = Object.freeze({ done: true, value: undefined });

const forgotten = new FinalizationRegistry((body) => body.cancel());

export class Body {
  constructor(source) {
    this.source = source; /* has pause, resume and cancel */
    this.queue = [];
    this.at = 0; /* in the queue, of the next one to be read */
    this.held = 0; /* bytes */
    this.paused = false;
    this.ended = false;
    this.error = null;
    this.waiting = null; /* { resolve, reject } of who reads ahead of the exchange */
    this.iterated = false;
    this.pulled = false;
    this.given = null; /* the stream, weakly: it may be forgotten */
  }

  /* ---- what comes */

  push(chunk) {
    if (this.ended) return;
    const { waiting } = this;
    if (waiting) {
      this.waiting = null;
      waiting.resolve({ done: false, value: chunk.slice() });
      return;
    }
    this.queue.push(chunk);
    this.held += chunk.length;
    if (this.held >= HELD_BYTES_MAX && !this.paused) {
      this.paused = true;
      this.source.pause();
    }
  }

  end(error) {
    if (this.ended) return;
    this.ended = true;
    this.error = error;
    const { waiting } = this;
    this.waiting = null;
    if (!waiting) return;
    if (error) waiting.reject(error);
    else waiting.resolve(DONE);
  }

  /** Ends at once, without what was not read yet. */
  fail(error) {
    this.drop();
    this.end(error);
  }

  /* ---- what is read */

  next() {
    if (this.at < this.queue.length) return Promise.resolve({ done: false, value: this.take() });
    if (this.error) return Promise.reject(this.error);
    if (this.ended) return Promise.resolve(DONE);
    if (this.waiting) return this.nextAfterWaiting();
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
  }

  /* Somebody calls next() again before it was answered. */
  async nextAfterWaiting() {
    const before = this.waiting;
    await new Promise((resolve) => {
      this.waiting = {
        resolve: (step) => { before.resolve(step); resolve(); },
        reject: (error) => { before.reject(error); resolve(); },
      };
    });
    return this.next();
  }

  take() {
    const chunk = this.queue[this.at];
    this.queue[this.at++] = undefined;
    if (this.at === this.queue.length) {
      this.queue.length = 0;
      this.at = 0;
    }
    this.held -= chunk.length;
    if (this.paused && this.held <= HELD_BYTES_MAX / 2) {
      this.paused = false;
      this.source.resume();
    }
    return chunk.slice();
  }

  drop() {
    this.queue.length = 0;
    this.at = 0;
    this.held = 0;
  }

  /** Nobody reads on. */
  cancel() {
    this.drop();
    if (!this.ended) this.source.cancel();
    this.end(null);
  }

  /* ---- the stream */

  stream() {
    const body = this;
    const stream = new ReadableStream({
      type: 'bytes',
      async pull(controller) {
        body.pulled = true;
        const { done, value } = await body.next();
        if (!done) {
          controller.enqueue(value);
          return;
        }
        controller.close();
        controller.byobRequest?.respond(0);
      },
      cancel() {
        body.cancel();
      },
    }, { highWaterMark: 0 });
    forgotten.register(stream, this);
    const iterate = (options) => body.iterate(stream, options);
    return Object.defineProperties(stream, {
      [Symbol.asyncIterator]: { value: iterate }, values: { value: iterate },
    });
  }

  iterate(stream, options) {
    if (this.pulled || options?.preventCancel) {
      return ReadableStream.prototype.values.call(stream, options);
    }
    stream.getReader(); /* throws for a locked stream */
    this.iterated = true;
    return new Pieces(this, stream);
  }
}

/* Keeps the stream alive: an iterator that is in use is no forgotten body. */
class Pieces {
  constructor(body, stream) {
    this.body = body;
    this.stream = stream;
  }

  next() {
    return this.body.next();
  }

  async return(value) {
    this.body.cancel();
    return { done: true, value };
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}
