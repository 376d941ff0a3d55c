/* The engine as the other modules see it: exchanges that are submitted, and sinks that are told.
 * engine.d.ts has the grammar, native.d.ts what comes from the addon.
 *
 * An exchange has a slot, a small number by which the addon knows it, from its submit until its
 * sink was told of its end. The addon holds `deliver` only while something is pending: an engine
 * that nobody has any more ends by itself. */
import { markAsUntransferable } from 'node:worker_threads';
import { LeatError } from './errors.js';
import { Event, KIND, moreOf, valueOf } from './event.js';
import { native } from './native.js';

const WORDS = 10;
const SLAB_BYTES = 65536;

/* The addon throws the ending of what it refused. */
function errorOf(refused) {
  return typeof refused?.class === 'number' ? LeatError.of(refused) : refused;
}

class Exchange {
  constructor(engine, slot, sink) {
    this.engine = engine;
    this.slot = slot;
    this.sink = sink;
    this.raw = false;
    this.ended = false;
    this.quiet = false; /* cancelled: nothing is told any more but the end */
  }

  cancel() {
    if (this.ended || this.quiet) return;
    this.quiet = true;
    this.engine.native.cancel(this.slot);
  }

  pause() { if (!this.ended) this.engine.native.pause(this.slot); }
  resume() { if (!this.ended) this.engine.native.resume(this.slot); }
  write(chunk) { return this.ended ? true : this.engine.native.write(this.slot, chunk); }
  finish() { if (!this.ended) this.engine.native.finish(this.slot); }
  fail() { if (!this.ended) this.engine.native.fail(this.slot); }

  send(message) {
    try {
      return this.engine.native.send(this.ended ? 0 : this.slot, message);
    } catch (refused) {
      throw errorOf(refused);
    }
  }

  sendClose(code, reason) {
    if (this.ended) return;
    try {
      this.engine.native.sendClose(this.slot, code, reason);
    } catch (refused) {
      throw errorOf(refused);
    }
  }
}

export class Engine {
  constructor(config = {}, endpoints = undefined) {
    this.exchanges = [null]; /* by slot */
    this.free = []; /* slots */
    this.slab = null;
    this.closing = null; /* { promise, resolve } */
    this.gone = false;
    this.deliver = (...told) => this.#deliver(...told);
    try {
      this.native = new native.Engine(config, this.deliver, endpoints);
    } catch (refused) {
      throw errorOf(refused);
    }
  }

  /* ---- what goes in */

  #start(how, fields, sink) {
    const slot = this.free.pop() ?? this.exchanges.length;
    const exchange = new Exchange(this, slot, sink);
    try {
      this.native[how](slot, fields);
    } catch (refused) {
      if (slot < this.exchanges.length) this.free.push(slot);
      throw errorOf(refused);
    }
    this.exchanges[slot] = exchange;
    return exchange;
  }

  submit(fields, sink) {
    const { upload, socket, ...rest } = fields;
    if (upload) {
      rest.upload = true;
      rest.uploadSize = upload.size;
    }
    if (socket) rest.socketSlot = socket;
    const exchange = this.#start('submit', rest, sink);
    exchange.raw = fields.protocol === 'raw';
    return exchange;
  }

  task(fields, sink) { return this.#start('task', fields, sink); }
  socket(fields, sink) { return this.#start('socket', fields, sink); }

  /* ---- what comes out */

  #deliver(count, words, text, slabs, extras, endings, gone) {
    this.#guard(slabs);
    for (let i = 0, at = 0; i < count; i++, at += WORDS) {
      const exchange = this.exchanges[words[at]];
      if (!exchange || exchange.quiet) continue;
      try {
        this.#tell(exchange, words, at, text, slabs, extras);
      } catch (error) {
        native.raise(error);
      }
    }
    for (let i = 0; i < endings.length; i += 2) this.#end(endings[i], endings[i + 1]);
    if (gone) this.#finish();
  }

  #tell(exchange, words, at, text, slabs, extras) {
    const word = words[at + 1];
    const code = word & 255;
    const { sink } = exchange;
    if (code === KIND.RAW && exchange.raw) {
      sink.data?.(new Uint8Array(slabs[words[at + 5]], words[at + 3], words[at + 4]));
      return;
    }
    if (code === KIND.ROOM) {
      sink.room?.();
    } else if (code === KIND.HEAD) {
      const headers = extras[words[at + 5]].split('\n');
      headers.pop();
      sink.head?.(words[at + 2], headers);
    } else if (sink.event) {
      sink.event(this.#event(word, words, at, text, slabs, extras));
    }
  }

  #event(word, words, at, text, slabs, extras) {
    const code = word & 255;
    const size = words[at + 4];
    const from = words[at + 5];
    const bytes = code === KIND.RAW || code === KIND.REPLY || code === KIND.CONTENT ||
      (code === KIND.MESSAGE && words[at + 2] === 2);
    let value;
    if (bytes) value = new Uint8Array(slabs[from], words[at + 3], size);
    else if (size >= 0) value = text.substring(words[at + 3], words[at + 3] + size);
    else value = valueOf(code, extras, from, words[at + 3]);
    const event = new Event(code, words[at + 2], value, words[at + 6], words[at + 7],
      words[at + 8]);
    if (word > 255 || words[at + 9] >= 0) {
      event.more = moreOf(word, extras, from, bytes || size >= 0, words[at + 9]);
    }
    return event;
  }

  /* A slab is shared by exchanges that know nothing of each other: whoever transferred his piece
   * would take away the others'. */
  #guard(slabs) {
    for (const slab of slabs) {
      if (slab === this.slab || slab.byteLength !== SLAB_BYTES) continue;
      this.slab = slab;
      markAsUntransferable(slab);
    }
  }

  #end(slot, ending) {
    const exchange = this.exchanges[slot];
    exchange.ended = true;
    this.exchanges[slot] = null;
    this.free.push(slot);
    try {
      exchange.sink.done(ending);
    } catch (error) {
      native.raise(error);
    }
  }

  /* ---- the whole */

  #ask(what) {
    try {
      return this.native[what]();
    } catch (refused) {
      throw errorOf(refused);
    }
  }

  stats() { return this.#ask('stats'); }
  metrics() { return this.#ask('metrics'); }

  close(now = true) {
    if (!this.closing) {
      this.closing = Promise.withResolvers();
      this.native.close(now);
    } else if (now && !this.gone) {
      this.native.close(true);
    }
    return this.closing.promise;
  }

  #finish() {
    this.gone = true;
    this.closing?.resolve();
  }
}
