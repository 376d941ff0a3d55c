/* What a call of fetch asks for: method, address, headers and body, checked as the standard says,
 * before anything is sent. An Order is one hop's; a redirect makes the next one of it.
 *
 * What only browsers have (mode, credentials, cache, referrer) is left aside. What would change the
 * answer and cannot be done is refused: integrity, and undici's dispatcher. */
import { payloadOf } from './fetch_upload.js';

const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const USUAL = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT']);
const FORBIDDEN = new Set(['CONNECT', 'TRACE', 'TRACK']);
const REDIRECT_MODES = new Set(['follow', 'error', 'manual']);
/* What belongs to a connection or its framing is the engine's. */
const HOP_BY_HOP = new Set([
  'connection', 'content-length', 'expect', 'host', 'http2-settings', 'keep-alive',
  'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade',
]);
const OF_BODY = [
  'content-encoding', 'content-language', 'content-length', 'content-location', 'content-type',
];
/* The standard names the first three; the others are what providers take keys in. */
const CREDENTIALS = [
  'authorization', 'cookie', 'proxy-authorization', 'api-key', 'mj-api-secret', 'x-api-key',
  'x-goog-api-key',
];

const failed = (why) => new TypeError('fetch failed', { cause: new Error(why) });

class Order {
  constructor(url, method, headers, payload) {
    this.url = url;
    this.method = method;
    this.headers = headers;
    this.payload = payload; /* { bytes } or { size, open() }, null: no body */
    this.signal = null;
    this.redirect = 'follow';
    this.local = false; /* data: and blob: are no matter of the network */
  }

  flatHeaders() {
    const flat = [];
    for (const [name, value] of this.headers) {
      if (!HOP_BY_HOP.has(name)) flat.push(name, value);
    }
    return flat;
  }
}

function parse(input) {
  let url;
  try {
    url = new URL(input);
  } catch (cause) {
    throw new TypeError(`Failed to parse URL from ${input}`, { cause });
  }
  if (url.username || url.password) {
    throw new TypeError('Request cannot be constructed from a URL that includes credentials');
  }
  return url;
}

function methodOf(method) {
  const name = String(method);
  const upper = name.toUpperCase();
  if (!METHOD.test(name) || FORBIDDEN.has(upper)) {
    throw new TypeError(`'${name}' is not a valid HTTP method.`);
  }
  return USUAL.has(upper) ? upper : name;
}

function check(init) {
  if (init.dispatcher) {
    throw new TypeError('a dispatcher is undici\'s: leat has its own connections, and ' +
      'createFetch({ proxy }) for proxies');
  }
  if (init.integrity) throw new TypeError('integrity is not checked here');
  if (init.signal != null && !(init.signal instanceof AbortSignal)) {
    throw new TypeError('signal is not an AbortSignal');
  }
  if (init.redirect !== undefined && !REDIRECT_MODES.has(init.redirect)) {
    throw new TypeError(`redirect is follow, error or manual, not '${init.redirect}'`);
  }
}

/* Of an answer's codings those that Node can undo. */
function fill(headers, type) {
  if (type && !headers.has('content-type')) headers.set('content-type', type);
  if (!headers.has('accept')) headers.set('accept', '*/*');
  if (!headers.has('accept-language')) headers.set('accept-language', '*');
  if (!headers.has('accept-encoding')) headers.set('accept-encoding', 'gzip, deflate, br');
}

function checkBody(method, init, body) {
  if ((method === 'GET' || method === 'HEAD') && body != null) {
    throw new TypeError('Request with GET/HEAD method cannot have body.');
  }
  if (isStream(init.body) && init.duplex !== 'half') {
    throw new TypeError('RequestInit: duplex option is required when sending a body.');
  }
}

const isStream = (body) =>
  body instanceof ReadableStream ||
  (typeof body === 'object' && body !== null && Symbol.asyncIterator in body);

/** The arguments of fetch, checked. Throws what fetch rejects with. */
export async function orderOf(input, init) {
  const given = init ?? {};
  check(given);
  const request = input instanceof Request ? input : null;
  const url = parse(request ? request.url : input);
  const method = methodOf(given.method ?? request?.method ?? 'GET');
  const headers = new Headers(given.headers ?? request?.headers);
  const body = given.body === undefined ? request?.body : given.body;
  checkBody(method, given, body);
  if (given.body === undefined && request?.bodyUsed) {
    throw new TypeError('Cannot construct a Request with a Request object that has already been ' +
      'used.');
  }
  const signal = given.signal === undefined ? request?.signal : given.signal;
  signal?.throwIfAborted();
  const payload = body == null ? null : await payloadOf(body, request !== null);
  fill(headers, payload?.type);
  const order = new Order(url, method, headers, payload);
  order.signal = signal ?? null;
  order.redirect = given.redirect ?? request?.redirect ?? 'follow';
  order.local = url.protocol === 'data:' || url.protocol === 'blob:';
  if (!order.local && !isHttp(url)) throw failed(`unknown scheme ${url.protocol}`);
  if (!payload && (method === 'POST' || method === 'PUT')) order.payload = NOTHING;
  return order;
}

/* A POST without a body says so with a Content-Length of 0. */
const NOTHING = { bytes: new Uint8Array(0), type: null };
const isHttp = (url) => url.protocol === 'http:' || url.protocol === 'https:';

/* ---- redirects */

function targetOf(order, location) {
  let url;
  try {
    url = new URL(location, order.url);
  } catch (cause) {
    throw new TypeError('fetch failed', { cause });
  }
  if (!isHttp(url)) throw failed('URL scheme must be a HTTP(S) scheme');
  if (url.username || url.password) throw failed('a redirect to a URL that includes credentials');
  if (!url.hash) url.hash = order.url.hash;
  return url;
}

/** The order that a redirect leads to; null: the answer itself is wanted. */
export function redirected(order, { status, headers: answered }, more) {
  const location = answered.get('location');
  if (location === null || order.redirect === 'manual') return null;
  if (order.redirect === 'error') throw failed('unexpected redirect');
  if (!more) throw failed('redirect count exceeded');
  const url = targetOf(order, location);
  const toGet = status === 303 ? order.method !== 'GET' && order.method !== 'HEAD'
    : status <= 302 && order.method === 'POST';
  const headers = new Headers(order.headers);
  if (!toGet && order.payload?.once) throw failed('a body that was a stream cannot be sent again');
  if (toGet) OF_BODY.forEach((name) => headers.delete(name));
  if (url.origin !== order.url.origin) CREDENTIALS.forEach((name) => headers.delete(name));
  const next = new Order(url, toGet ? 'GET' : order.method, headers, toGet ? null : order.payload);
  next.signal = order.signal;
  next.redirect = order.redirect;
  return next;
}
