/* Answers as they come. A stream is the sink of an exchange: it keeps the events that nobody has
 * read yet, at most 256 KiB of them before the exchange is paused, and hands them out. */
import { AsyncResource } from 'node:async_hooks';
import { LeatError } from './errors.js';
import { Event, Head, KIND } from './event.js';
import { native } from './native.js';

const HELD_MAX = 262144;
const GATHER_MAX = 268435456;
const EVENT_COST = 64; /* what an event counts beside its text */
const DONE = Object.freeze({ done: true, value: undefined });

/* ---- signals: one listener for each, however many streams it ends */

const signals = new WeakMap();

function watch(signal, stream) {
  let streams = signals.get(signal);
  if (!streams) {
    streams = new Set();
    signals.set(signal, streams);
    const all = streams;
    signal.addEventListener('abort', () => {
      for (const one of [...all]) one.abort(signal.reason);
    }, { once: true });
  }
  streams.add(stream);
}

function costOf(event) {
  const { value } = event;
  if (typeof value === 'string') return EVENT_COST + value.length;
  return EVENT_COST + (value?.length ?? value?.arguments?.length ?? value?.data?.length ?? 0);
}

/** An answer as it comes: `for await (const event of stream)`. Leaving the loop ends the request. */
export class Stream {
  constructor(client, signal = undefined) {
    this.client = client;
    this.signal = signal;
    this.exchange = null;
    this.ending = null; /* how it ended */
    this.error = null;
    this.text = ''; /* of choice 0, so far */
    this.queue = [];
    this.at = 0; /* in the queue: what is read next */
    this.held = 0;
    this.paused = false;
    this.over = false;
    this.closed = false; /* by its reader, who wants no more */
    this.waiting = null; /* { resolve, reject } of who reads ahead */
    this.ended = null; /* { promise, resolve } of who waits for the end */
    this.listener = null;
    this.resource = null;
  }

  /* ---- the sink */

  start(submit) {
    if (this.signal?.aborted) return this.refuse(this.signal.reason);
    try {
      this.exchange = submit(this);
    } catch (error) {
      if (!(error instanceof LeatError)) throw error;
      return this.refuse(error);
    }
    if (this.signal) watch(this.signal, this);
    return this;
  }

  head(status, headers) {
    this.event(new Event(KIND.HEAD, 0, new Head(status, headers), 0, 0, 0));
  }

  event(event) {
    if (event.code === KIND.TEXT && event.choice === 0) this.text += event.value;
    if (this.listener) {
      this.#hear(event);
    } else if (this.waiting) {
      const { resolve } = this.waiting;
      this.waiting = null;
      resolve({ done: false, value: event });
    } else {
      this.queue.push(event);
      this.held += costOf(event);
      if (this.held > this.client.heldMax && !this.paused) this.#pause();
    }
  }

  done(ending) {
    this.ending = ending;
    this.#forget();
    if (ending.error !== 0 && !this.error && !this.closed) {
      this.error = LeatError.of(ending);
      this.error.text = this.text;
    }
    this.#finish();
  }

  /* ---- ends */

  /* It never came to be. */
  refuse(error) {
    this.error = error;
    this.#finish();
    return this;
  }

  abort(reason) {
    if (this.ending) return;
    this.error = reason;
    this.#forget();
    this.exchange.cancel();
  }

  /** Ends the request; its events are dropped. */
  cancel() {
    this.closed = true;
    this.queue = [];
    this.at = 0;
    this.held = 0;
    this.exchange?.cancel();
    this.#wake();
  }

  #forget() {
    if (this.signal) signals.get(this.signal)?.delete(this);
  }

  #finish() {
    this.over = true;
    if (!this.queue.length || this.at === this.queue.length) this.#wake();
    this.ended?.resolve();
    this.#mute();
  }

  #mute() {
    this.resource?.emitDestroy();
    this.resource = null;
  }

  #wake() {
    const { waiting } = this;
    this.waiting = null;
    if (!waiting) return;
    if (this.error && !this.closed) waiting.reject(this.error);
    else waiting.resolve(DONE);
  }

  /* ---- reading */

  #pause() {
    this.paused = true;
    this.exchange.pause();
  }

  #shift() {
    const event = this.queue[this.at];
    this.queue[this.at++] = null;
    if (this.at === this.queue.length) {
      this.queue.length = 0;
      this.at = 0;
    }
    this.held -= costOf(event);
    if (this.paused && this.held <= this.client.heldMax / 2) {
      this.paused = false;
      this.exchange.resume();
    }
    return event;
  }

  next() {
    if (this.at < this.queue.length) {
      return Promise.resolve({ done: false, value: this.#shift() });
    }
    if (this.closed) return Promise.resolve(DONE);
    if (this.over) return this.error ? Promise.reject(this.error) : Promise.resolve(DONE);
    if (this.waiting) return Promise.reject(new Error('this stream has a reader that waits'));
    return new Promise((resolve, reject) => { this.waiting = { resolve, reject }; });
  }

  return(value = undefined) {
    this.cancel();
    return Promise.resolve({ done: true, value });
  }

  [Symbol.asyncIterator]() { return this; }
  [Symbol.asyncDispose]() { return this.return(); }

  /* A listener's error is its own: the other streams of the turn go on. */
  #hear(event) {
    try {
      this.resource.runInAsyncScope(this.listener, undefined, event);
    } catch (error) {
      native.raise(error);
    }
  }

  /** Calls `listener` with every event, in the asynchronous context of this call; resolves at the
   * end. What it throws is an uncaughtException. */
  each(listener) {
    if (typeof listener !== 'function') throw new TypeError('listener must be a function');
    this.resource = new AsyncResource('leat.Stream', { requireManualDestroy: true });
    this.listener = listener;
    while (this.at < this.queue.length) this.#hear(this.#shift());
    if (this.over) this.#mute();
    return this.finished().then(() => {
      if (this.error && !this.closed) throw this.error;
    });
  }

  /** Resolves at the end, whatever it is. What is not read by then is kept. */
  finished() {
    if (this.over) return Promise.resolve();
    this.ended ??= Promise.withResolvers();
    return this.ended.promise;
  }

  /** Reads what is left of the answer, and joins it. */
  async complete() {
    const pieces = new Gathering();
    await this.each((event) => {
      pieces.add(event);
      if (pieces.size > GATHER_MAX) this.abort(new RangeError('the answer is above 256 MiB'));
    });
    return pieces.whole(this.ending);
  }
}

/* ---- whole answers */

/* A choice while it grows. */
class Choice {
  constructor() {
    this.text = '';
    this.reasoning = '';
    this.signature = '';
    this.refusal = '';
    this.toolCalls = [];
    this.media = [];
    this.finishReason = '';
    this.finishDetail = '';
    this.logprobs = [];
  }

  add(event) {
    switch (event.code) {
      case KIND.TEXT: this.text += event.value; break;
      case KIND.REASONING: this.reasoning += event.value; break;
      case KIND.SIGNATURE: this.signature += event.value; break;
      case KIND.REFUSAL: this.refusal += event.value; break;
      case KIND.TOOL_CALL: this.#addCall(event.value); break;
      case KIND.IMAGE:
      case KIND.AUDIO:
        if (!event.value.partial) this.media.push(event.value);
        break;
      case KIND.FINISH:
        this.finishReason = event.value;
        this.finishDetail = event.finishDetail;
        break;
      default:
    }
    if (event.logprobs) this.logprobs.push(JSON.parse(event.logprobs));
  }

  #addCall(piece) {
    let call = this.toolCalls.find(({ index }) => index === piece.index);
    if (!call) this.toolCalls.push(call = { ...piece, arguments: '' });
    call.id ||= piece.id;
    call.name ||= piece.name;
    call.arguments += piece.arguments;
  }
}

/** Joins the events of an answer. */
export class Gathering {
  constructor() {
    this.choices = new Map([[0, new Choice()]]);
    this.usage = null;
    this.head = null;
    this.size = 0;
  }

  add(event) {
    this.size += costOf(event);
    if (event.code === KIND.HEAD) {
      this.head = event.value;
    } else if (event.code === KIND.USAGE) {
      this.usage = event.value;
    } else {
      if (!this.choices.has(event.choice)) this.choices.set(event.choice, new Choice());
      this.choices.get(event.choice).add(event);
    }
  }

  whole(result) {
    const choices = [...this.choices.entries()].sort(([a], [b]) => a - b).map(([, one]) => one);
    for (const one of choices) one.toolCalls.sort((a, b) => a.index - b.index);
    const { text, reasoning, refusal, toolCalls, finishReason } = choices[0];
    const { usage, head } = this;
    return { text, reasoning, refusal, toolCalls, finishReason, choices, usage, head, result };
  }
}

export { HELD_MAX };
