/* fetch over the engine: what the WHATWG standard says a caller sees, with the engine's pool,
 * HTTP/2 and deadlines below. It never repeats a request: the SDKs above it do.
 *
 *   createFetch(options) -> fetch, with an engine of its own
 *   fetch                -> one with the defaults, whose engine is made at its first use
 *
 * An exchange goes: order (fetch_request.js) -> head -> redirect, which makes another order, or a
 * Response over a body (fetch_body.js). What fails before the head rejects with TypeError("fetch
 * failed"), later the body with TypeError("terminated"); both have the LeatError as their cause,
 * whose `code` is the one that undici gives for it. */
import { STATUS_CODES } from 'node:http';
import tls from 'node:tls';
import { Engine } from './engine.js';
import { bodyOf } from './fetch_decode.js';
import { failure } from './fetch_errors.js';
import { orderOf, redirected } from './fetch_request.js';
import { Upload } from './fetch_upload.js';
import { configFields } from './options.js';

const REDIRECTS_MAX = 20;
const REDIRECT = new Set([301, 302, 303, 307, 308]);
const BODILESS = new Set([101, 204, 205, 304]);
const DRAIN_BYTES_MAX = 65536;
const ASCII = /^[\x00-\x7f]*$/;

/* ---- one hop */

/* Headers hold bytes as characters; what came as UTF-8 is turned back into them. */
function headersOf(flat) {
  const headers = new Headers();
  for (let i = 0; i < flat.length; i += 2) {
    const value = flat[i + 1];
    headers.append(flat[i], ASCII.test(value) ? value : Buffer.from(value).toString('latin1'));
  }
  return headers;
}

/* The head of one exchange, or why there is none. Its body is fed from here: it is there before
 * anybody is told of the head, since more of the answer may have come with it. */
class Hop {
  constructor(order) {
    this.order = order;
    this.exchange = null;
    this.upload = null;
    this.into = this.body = null;
    this.drained = -1; /* bytes of a redirect's own body, once one is followed */
    this.answered = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  start(engine, deadlines) {
    const { order } = this;
    const fields = {
      protocol: 'raw', method: order.method, baseUrl: order.url.href, headers: order.flatHeaders(),
      retries: -1, deadlines,
    };
    if (order.payload?.bytes) fields.body = order.payload.bytes;
    else if (order.payload) fields.upload = { size: order.payload.size };
    this.exchange = engine.submit(fields, this);
    if (fields.upload) {
      this.upload = new Upload(this.exchange, order.payload.open());
      this.upload.run();
    }
  }

  head(status, flat) {
    try {
      if (status < 200 || status > 599) throw new RangeError(`a status of ${status}`);
      const headers = headersOf(flat);
      Object.assign(this, bodyOf(this.exchange, headers.get('content-encoding')));
      this.resolve({ status, headers });
    } catch (error) {
      this.reject(error);
      this.exchange.cancel();
    }
  }

  data(chunk) {
    if (this.drained < 0) this.into.push(chunk);
    else if ((this.drained += chunk.length) > DRAIN_BYTES_MAX) this.exchange.cancel();
  }

  room() {
    this.upload?.room();
  }

  done(ending) {
    this.upload?.stop();
    const why = ending.error === 0 ? null : failure(ending, this.upload?.error, this.body !== null);
    if (this.into) this.into.end(why);
    else this.reject(why ?? new TypeError('fetch failed'));
    this.settled?.();
  }

  /* What is left of a redirect's body is of no interest, its connection is. */
  drain() {
    this.drained = 0;
    this.exchange.resume();
  }

  abort(reason) {
    this.exchange?.cancel();
    this.upload?.stop(reason);
    this.reject(reason);
    this.into?.fail(reason);
  }
}

/* ---- the answer */

/* url and redirected are a Response's own only when fetch made it, and a clone has them, too. */
function dress(response, body, url, hops) {
  const own = {
    url: { value: url, enumerable: true },
    redirected: { value: hops > 0, enumerable: true },
    type: { value: 'basic', enumerable: true },
    clone: { value: () => dress(Response.prototype.clone.call(response), null, url, hops) },
  };
  if (body) {
    const native = Object.getOwnPropertyDescriptor(Response.prototype, 'bodyUsed').get;
    own.bodyUsed = { get: () => body.iterated || native.call(response), enumerable: true };
  }
  return Object.defineProperties(response, own);
}

function responseOf(hop, { status, headers }, hops) {
  const init = { status, statusText: STATUS_CODES[status] ?? '', headers };
  const { method, url } = hop.order;
  if (method === 'HEAD' || BODILESS.has(status)) {
    hop.drain();
    return dress(new Response(null, init), null, withoutFragment(url), hops);
  }
  return dress(new Response(hop.body.stream(), init), hop.body, withoutFragment(url), hops);
}

function withoutFragment(url) {
  if (!url.hash) return url.href;
  const bare = new URL(url);
  bare.hash = '';
  return bare.href;
}

/* ---- the exchange as a whole */

/* Who is to be told of a signal: one listener for each, however many requests have it. */
const watched = new WeakMap();

function listen(signal) {
  const flights = new Set();
  const onAbort = () => {
    watched.delete(signal);
    for (const flight of flights) flight.hop.abort(signal.reason);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  const end = () => {
    watched.delete(signal);
    signal.removeEventListener('abort', onAbort);
  };
  const entry = { flights, end };
  watched.set(signal, entry);
  return entry;
}

/* Watches for as long as the answer can still be broken off; returns what ends it. */
function watch(signal, flight) {
  const entry = watched.get(signal) ?? listen(signal);
  entry.flights.add(flight);
  return () => {
    if (entry.flights.delete(flight) && entry.flights.size === 0) entry.end();
  };
}

async function follow(flight, engine, deadlines) {
  for (let hops = 0; ; hops++) {
    const { hop } = flight;
    hop.start(engine, deadlines);
    const head = await hop.answered;
    const next = REDIRECT.has(head.status)
      ? redirected(hop.order, head, hops < REDIRECTS_MAX) : null;
    if (!next) return responseOf(hop, head, hops);
    hop.drain();
    flight.hop = new Hop(next);
    flight.hop.settled = flight.settled;
    hop.settled = null;
  }
}

async function send(order, engine, deadlines) {
  const { signal } = order;
  signal?.throwIfAborted();
  const flight = { hop: new Hop(order), settled: null };
  if (signal) flight.hop.settled = flight.settled = watch(signal, flight);
  try {
    return await follow(flight, engine, deadlines);
  } catch (error) {
    flight.settled?.();
    if (flight.hop.exchange) flight.hop.exchange.cancel();
    if (signal?.aborted || error instanceof TypeError) throw error;
    throw failure(error, null, false);
  }
}

/* Node's own roots and NODE_EXTRA_CA_CERTS, as its fetch trusts them. */
function rootsOfNode() {
  return (tls.getCACertificates?.('default') ?? tls.rootCertificates).join('\n');
}

/** A fetch with an engine of its own, which lives until close(). Options are a client's. */
export function createFetch(options = {}) {
  const { deadlines: steps, ...config } = configFields(options);
  const deadlines = { totalMs: -1, ...steps };
  let engine = null;
  let closed = null;
  const open = () => {
    if (closed) throw new TypeError('fetch failed', { cause: new Error('this fetch was closed') });
    const anyRoots = config.caFile || config.caPem || config.insecure;
    return (engine ??= new Engine(anyRoots ? config : { ...config, caPem: rootsOfNode() }));
  };

  async function fetch(input, init) {
    const order = await orderOf(input, init);
    if (order.local) return globalThis.fetch(input, init);
    return send(order, open(), deadlines);
  }

  fetch.stats = () => open().stats();
  /** Ends its connections; requests run to their ends first, unless `now`. */
  fetch.close = (now = false) => (closed ??= Promise.resolve(engine?.close(now)));
  return fetch;
}

export const fetch = createFetch();
