/* What goes in: options as they are written in JavaScript, and the fields that the engine takes.
 * Times are in milliseconds, Infinity switches a deadline off. */

const AUTHS = ['default', 'bearer', 'raw', 'x-api-key', 'api-key', 'x-goog-api-key', 'query',
  'mj-api-secret', 'none'];
const HTTPS = { auto: 0, 1: 1, 1.1: 1, 2: 2 };
const STEPS = ['dns', 'connect', 'head', 'first', 'gap', 'idle', 'queue', 'total'];
const NONE = -1;

function ms(value, name) {
  if (value === Infinity) return NONE;
  if (!(value > 0) || value > 1e15) {
    throw new RangeError(`${name} must be above 0 ms; Infinity switches it off`);
  }
  return Math.max(1, Math.ceil(value));
}

/** A number is for everything together, an object has one for each step. */
export function deadlines(timeout) {
  if (typeof timeout === 'number') return { totalMs: ms(timeout, 'timeout') };
  const fields = {};
  for (const [step, value] of Object.entries(timeout)) {
    if (!STEPS.includes(step)) {
      throw new TypeError(`timeout has no step ${step}: it has ${STEPS.join(', ')}`);
    }
    if (value !== undefined && value !== null) fields[`${step}Ms`] = ms(value, `timeout.${step}`);
  }
  return fields;
}

/** Name, value, name, value. */
function flat(given) {
  const pairs = typeof given[Symbol.iterator] === 'function' ? given : Object.entries(given);
  return Array.from(pairs, ([name, value]) => [String(name), String(value)]).flat();
}

function numberOf(words, given, what) {
  const found = Array.isArray(words) ? words.indexOf(given) : words[given] ?? -1;
  if (found >= 0) return found;
  const all = Array.isArray(words) ? words : Object.keys(words);
  throw new TypeError(`${what}: ${String(given)} is none of ${all.join(', ')}`);
}

const text = (value) => JSON.stringify(value);

/** Rewrites what all requests share: words as numbers, times as fields. Leaves out what is not for
 * the engine. */
function shared(options) {
  const { timeout, headers, auth, http, baseURL, signal, ...fields } = options;
  if (timeout !== undefined && timeout !== null) fields.deadlines = deadlines(timeout);
  if (headers !== undefined && headers !== null) fields.headers = flat(headers);
  if (auth !== undefined) fields.auth = numberOf(AUTHS, auth, 'auth');
  if (http !== undefined) fields.http = numberOf(HTTPS, http, 'http');
  if (baseURL !== undefined) fields.baseUrl = String(baseURL);
  if (fields.retries === 0) fields.retries = NONE;
  return fields;
}

function rename(fields, names) {
  for (const name of names) {
    if (fields[name] === undefined) continue;
    fields[`${name}Ms`] = ms(fields[name], name);
    delete fields[name];
  }
  return fields;
}

/** A client's. */
export function configFields(options) {
  const fields = rename(shared(options), ['retryAfterMax']);
  if (fields.redirects === 0) fields.redirects = NONE;
  if (fields.caPem !== undefined) fields.caPem = String(fields.caPem);
  return fields;
}

/* ---- chats */

const REQUEST = new Set(['protocol', 'baseUrl', 'apiKey', 'deadlines', 'headers', 'auth', 'http',
  'retries', 'once', 'lane', 'laneWeight', 'priority', 'supersede', 'tokens', 'path']);
const JSONS = new Set(['responseFormat', 'logitBias', 'metadata', 'streamOptions', 'extra']);
const MEMBERS = {
  role: 'role', name: 'name', tool_call_id: 'toolCallId', toolCallId: 'toolCallId',
  refusal: 'refusal', reasoning: 'reasoning', reasoning_content: 'reasoning',
  signature: 'signature',
};

/* By enum leat_part_kind. */
function partOf(part) {
  switch (part.type) {
    case 'text': return { kind: 0, text: part.text };
    case 'image_url': {
      const image = typeof part.image_url === 'string' ? { url: part.image_url } : part.image_url;
      return { kind: 1, url: image.url, detail: image.detail };
    }
    case 'input_audio':
      return { kind: 2, data: part.input_audio.data, format: part.input_audio.format };
    case 'file': {
      const { file_id: fileId, file_data: data, filename } = part.file;
      return { kind: 3, fileId, data, filename };
    }
    case 'video_url': {
      const video = part.video_url;
      return { kind: 4, url: typeof video === 'string' ? video : video.url };
    }
    default: return { kind: 5, data: text(part) };
  }
}

function useOf(call) {
  return { id: call.id, name: call.function.name, arguments: call.function.arguments };
}

function messageOf(message) {
  const fields = {};
  for (const [key, value] of Object.entries(message)) {
    if (value === undefined || value === null) continue;
    if (key === 'content') {
      if (typeof value === 'string') fields.text = value;
      else fields.parts = Array.from(value, partOf);
    } else if (key === 'tool_calls' || key === 'toolCalls') {
      fields.toolUses = Array.from(value, useOf);
    } else if (Object.hasOwn(MEMBERS, key)) {
      fields[MEMBERS[key]] = value;
    } else {
      throw new TypeError(`a message has no member ${key}`);
    }
  }
  return fields;
}

function toolOf({ function: made }) {
  return {
    name: made.name, description: made.description, strict: Boolean(made.strict),
    parameters: made.parameters && text(made.parameters),
  };
}

/* Functions go through every dialect; other tools only as this one writes them. */
function toolFields(tools) {
  const functions = tools.every((tool) => (tool.type ?? 'function') === 'function' &&
    tool.function);
  return functions ? { tools: tools.map(toolOf) } : { toolsJson: text(tools) };
}

function chatField(name, value) {
  if (name === 'messages') return { messages: Array.from(value, messageOf) };
  if (name === 'tools') return toolFields(value);
  if (name === 'toolChoice' && typeof value !== 'string') return { toolChoiceJson: text(value) };
  if (name === 'stop' && typeof value === 'string') return { stop: [value] };
  if (JSONS.has(name)) return { [name]: text(value) };
  return { [name]: value };
}

/** A request with a chat in it. `prompt` is a text, or messages as OpenAI has them. */
export function chatFields(prompt, options, stream) {
  const { raw, socket, ...rest } = options;
  const request = raw ? { wantRaw: true } : {};
  const chat = { stream };
  if (typeof prompt === 'string') chat.prompt = prompt;
  else if (prompt) Object.assign(chat, chatField('messages', prompt));
  for (const [name, value] of Object.entries(shared(rest))) {
    if (value === undefined || value === null) continue;
    if (REQUEST.has(name)) request[name] = value;
    else Object.assign(chat, chatField(name, value));
  }
  request.chat = chat;
  return request;
}

/* ---- other requests */

/* Bytes and text as they are, anything else as JSON. */
function bodyOf(body) {
  if (body === undefined || body === null || typeof body === 'string') return body ?? undefined;
  return body instanceof Uint8Array ? body : text(body);
}

function paramsOf(params) {
  return params ? flat(params) : undefined;
}

/* Text and bytes as values; { path } is a file that is read while it goes. */
function formField([name, value]) {
  if (typeof value === 'string' || value instanceof Uint8Array) return { name, value };
  if (typeof value?.path === 'string') {
    const { path, filename, contentType } = value;
    return { name, source: { path }, filename, contentType };
  }
  if (value?.content !== undefined) {
    const { content, filename, contentType } = value;
    return { name, value: content, filename, contentType };
  }
  return { name, value: text(value) };
}

export function callFields(endpoint, body, params, options) {
  const { form, ...rest } = options;
  /* What is decoded into events comes as it was as well, so that a reply is whole. */
  const fields = {
    ...shared(rest), endpoint, body: bodyOf(body), params: paramsOf(params), wantRaw: true,
  };
  if (form) {
    const pairs = typeof form[Symbol.iterator] === 'function' ? form : Object.entries(form);
    fields.form = Array.from(pairs, formField);
  }
  return fields;
}

export function taskFields(endpoint, body, params, options) {
  const fields = rename(shared(options), ['poll', 'firstPoll', 'deadline']);
  Object.assign(fields, { endpoint, body: bodyOf(body), params: paramsOf(params) });
  if (fields.file !== undefined) fields.download ??= true;
  return fields;
}

export function socketFields(url, options) {
  return { ...rename(shared(options), ['ping', 'close']), url: url && String(url) };
}
