/* The client: one engine, and what is asked of it. */
import { Engine } from './engine.js';
import { LeatError } from './errors.js';
import { Head, KIND } from './event.js';
import { callFields, chatFields, configFields, socketFields, taskFields } from './options.js';
import { HELD_MAX, Stream } from './stream.js';

const DOWNLOAD_MAX = 268435456;

function joined(pieces) {
  return pieces.length === 1 ? pieces[0].slice() : new Uint8Array(Buffer.concat(pieces));
}

/** A call of an endpoint: await it for its whole reply, or take its events as they come. */
export class Call extends Stream {
  /** { status, headers, data, result, json() } */
  async reply() {
    let head = new Head(0, []);
    const [replies, records, others] = [[], [], []];
    await this.each((event) => {
      if (event.code === KIND.HEAD) head = event.value;
      else if (!event.data) return;
      else if (event.code === KIND.REPLY) replies.push(event.data);
      else (event.code === KIND.RAW ? records : others).push(event.data);
    });
    /* What is a reply as it stands comes twice: as that, and as the record that it was. */
    const data = joined([replies, records, others].find((pieces) => pieces.length) ?? []);
    return {
      status: head.status, headers: head.headers, data, result: this.ending,
      json: () => JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString()),
    };
  }

  then(resolve, reject) { return (this.awaited ??= this.reply()).then(resolve, reject); }
  catch(reject) { return this.then(undefined, reject); }
  finally(last) { return this.then().finally(last); }
}

/** A job: await it for its result, or iterate over what is told of it. */
export class Task extends Stream {
  /** Every change of its state, progress or URL, until its end. */
  async* updates() {
    for await (const event of this) if (event.update) yield event.update;
  }

  /** The result of a job that ended well; otherwise throws. */
  async wait() {
    const pieces = [];
    let size = 0;
    await this.each((event) => {
      if (event.code !== KIND.CONTENT) return;
      pieces.push(event.value);
      size += event.value.length;
      if (size > DOWNLOAD_MAX) this.abort(new RangeError('the content is above 256 MiB: name a file'));
    });
    const { taskId, taskStatus, url, raw, polls, bytes, earlierRun } = this.ending;
    return {
      taskId, status: taskStatus, url, raw, polls, downloaded: bytes, data: joined(pieces),
      earlierRun, result: this.ending,
    };
  }

  then(resolve, reject) { return (this.awaited ??= this.wait()).then(resolve, reject); }
  catch(reject) { return this.then(undefined, reject); }
  finally(last) { return this.then().finally(last); }
}

/** A WebSocket: `send` and `messages`, or with a protocol turns, by `chat(prompt, { socket })`. */
export class Socket extends Stream {
  constructor(client, signal) {
    super(client, signal);
    this.roomy = null; /* { promise, resolve } of who waits to send */
  }

  room() {
    this.roomy?.resolve();
    this.roomy = null;
  }

  done(ending) {
    super.done(ending);
    this.room();
  }

  /** Sends a string or bytes; waits while much is under way. */
  async send(message) {
    if (this.error) throw this.error;
    if (this.roomy) await this.roomy.promise;
    if (this.exchange.send(message) || this.over) return;
    this.roomy ??= Promise.withResolvers();
    await this.roomy.promise;
  }

  /** The peer's messages, whole, until it closes. */
  async* messages() {
    for await (const event of this) if (event.code === KIND.MESSAGE) yield event.value;
  }

  /** The next message; null when the socket was closed in good order. */
  async receive() {
    for (;;) {
      const { done, value } = await this.next();
      if (done) return null;
      if (value.code === KIND.MESSAGE) return value.value;
    }
  }

  /** Closes, and waits for the peer's answer. A code that is no success throws. */
  async close(code = 1000, reason = '') {
    if (!this.over) this.exchange?.sendClose(code, reason);
    for (;;) {
      const { done } = await this.next();
      if (done) return;
    }
  }

  /** The peer's; null before the end. */
  get closeCode() { return this.ending?.closeCode ?? null; }

  async [Symbol.asyncDispose]() {
    try {
      await this.close();
    } catch (error) {
      if (!(error instanceof LeatError)) throw error;
    }
  }
}

/** Carries requests over a small pool of connections, on Node's own loop. */
export class Client {
  constructor(options = {}) {
    const { endpoints, heldMax, ...rest } = options;
    this.heldMax = heldMax ?? HELD_MAX;
    this.engine = new Engine(configFields(rest), endpoints);
  }

  /** Asks, and streams the answer. `prompt` is a text, or messages as OpenAI has them. On a
   * `socket` with the same protocol it is the next turn there. */
  chat(prompt, options = {}) {
    return this.#ask(new Stream(this, options.signal), prompt, options, true);
  }

  /** Asks for a whole answer. With `stream` it is streamed on its way to here. */
  async complete(prompt, { stream = false, ...options } = {}) {
    return this.#ask(new Stream(this, options.signal), prompt, options, stream).complete();
  }

  #ask(answer, prompt, options, stream) {
    const fields = chatFields(prompt, options, stream);
    const { socket } = options;
    if (socket) fields.socket = socket.exchange.slot;
    return answer.start((sink) => this.engine.submit(fields, sink));
  }

  /** Calls an endpoint of the registry by its name: `await client.call('models.list')`. */
  call(endpoint, body = undefined, params = undefined, options = {}) {
    const fields = callFields(endpoint, body, params, options);
    return new Call(this, options.signal).start((sink) => this.engine.submit(fields, sink));
  }

  /** Starts a job: `await client.task('suno.music', {...})`, or of a family, which needs no more
   * than options: `task({ family: 'video', model, prompt })`. */
  task(endpoint, body, params, options = {}) {
    if (endpoint !== null && typeof endpoint === 'object') return this.task(null, null, null, endpoint);
    const fields = taskFields(endpoint, body, params, options);
    return new Task(this, options.signal).start((sink) => this.engine.task(fields, sink));
  }

  /** Opens a WebSocket; what is sent before it is open waits. Without `url` it is where the
   * protocol has it. */
  ws(url = undefined, options = {}) {
    const fields = socketFields(url, options);
    return new Socket(this, options.signal).start((sink) => this.engine.socket(fields, sink));
  }

  /** The engine's counters, by the names of leat_stats in camelCase. */
  stats() { return this.engine.stats(); }
  /** What the engine has counted, in Prometheus' text format; wants the option `metrics`. */
  metrics() { return this.engine.metrics(); }

  /** Cancels what runs, or with `drain` waits for it, and resolves when the engine is gone. */
  close({ drain = false } = {}) { return this.engine.close(!drain); }
  [Symbol.asyncDispose]() { return this.close(); }
}
