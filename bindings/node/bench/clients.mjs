/* One client of the comparison, in a process of its own: opens all streams at once, counts their
 * events, and prints what the process used. measure.mjs starts it.
 *
 * usage: clients.mjs NAME URL CA_FILE STREAMS EVENTS */
import { readFileSync } from 'node:fs';
import { peer } from '../test/peers.mjs';

const [name, url, caFile, streams, events] = process.argv.slice(2);
const count = Number(streams);
const CHAT = { model: 'm', messages: [{ role: 'user', content: 'hi' }], stream: true };
const HEADERS = {
  'x-mock-events': events, 'x-mock-gap-ms': '20', 'x-mock-ttft-ms': '3000', 'x-mock-bytes': '20',
};

const ofChunk = (chunk) => (chunk.choices?.[0]?.delta?.content ? 1 : 0);

/* What every user of fetch writes: a decoder, lines, JSON. */
async function readEvents(body) {
  const decoder = new TextDecoder();
  let rest = '';
  let n = 0;
  for await (const bytes of body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith('data: {')) n += ofChunk(JSON.parse(line.slice(6)));
    }
  }
  return n;
}

async function ofFetch(fetch, options) {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST', body: JSON.stringify(CHAT), ...options,
    headers: { ...HEADERS, authorization: 'Bearer k', 'content-type': 'application/json' },
  });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return readEvents(response.body);
}

/* undici's agent for HTTP/2 holds to one connection for each origin's hundred streams. */
function undiciFetch(http2) {
  const undici = peer('undici');
  const ca = readFileSync(caFile, 'utf8');
  const agent = new undici.Agent({ allowH2: http2, connect: { ca } });
  return (input, init) => undici.fetch(input, { ...init, dispatcher: agent });
}

async function leatFetch(http) {
  const { createFetch } = await import('leat');
  return createFetch({ caFile, http, connsMax: count });
}

async function ofOpenai(fetch) {
  const OpenAI = peer('openai');
  const client = new OpenAI({ apiKey: 'k', baseURL: `${url}/v1`, maxRetries: 0, fetch });
  return async () => {
    let n = 0;
    const stream = await client.chat.completions.create(CHAT, { headers: HEADERS });
    for await (const chunk of stream) n += ofChunk(chunk);
    return n;
  };
}

async function ofAnthropic(fetch) {
  const Anthropic = peer('@anthropic-ai/sdk');
  const client = new Anthropic({ apiKey: 'k', baseURL: url, maxRetries: 0, fetch });
  const chat = { model: 'm', max_tokens: 10_000, messages: CHAT.messages, stream: true };
  return async () => {
    let n = 0;
    for await (const event of await client.messages.create(chat, { headers: HEADERS })) {
      if (event.type === 'content_block_delta') n++;
    }
    return n;
  };
}

async function ofLeat(http) {
  const leat = await import('leat');
  const client = new leat.Client({ baseURL: url, apiKey: 'k', caFile, http, connsMax: count });
  return async () => {
    let n = 0;
    for await (const event of client.chat('hi', { model: 'm', headers: HEADERS })) {
      if (event.text) n++;
    }
    return n;
  };
}

const CLIENTS = {
  'fetch': async () => () => ofFetch(fetch),
  'undici-1.1': async () => ofFetch.bind(null, undiciFetch(false)),
  'undici-2': async () => ofFetch.bind(null, undiciFetch(true)),
  'fetch-leat-1.1': async () => ofFetch.bind(null, await leatFetch('1.1')),
  'fetch-leat-2': async () => ofFetch.bind(null, await leatFetch('2')),
  'leat-1.1': () => ofLeat('1.1'),
  'leat-2': () => ofLeat('2'),
  'openai': () => ofOpenai(fetch),
  'openai-undici-2': () => ofOpenai(undiciFetch(true)),
  'openai-leat-1.1': async () => ofOpenai(await leatFetch('1.1')),
  'openai-leat-2': async () => ofOpenai(await leatFetch('2')),
  'anthropic': () => ofAnthropic(fetch),
  'anthropic-leat-1.1': async () => ofAnthropic(await leatFetch('1.1')),
  'anthropic-leat-2': async () => ofAnthropic(await leatFetch('2')),
};

const started = performance.now();
const one = await CLIENTS[name]();
const counts = await Promise.all(Array.from({ length: count }, () => one()));
const seen = counts.reduce((sum, n) => sum + n, 0);
if (seen !== count * Number(events)) throw new Error(`${seen} events of ${count * events}`);
const used = process.cpuUsage();
console.log(JSON.stringify({
  cpu: used.user + used.system, wall: performance.now() - started,
  kb: process.resourceUsage().maxRSS,
}));
process.exit(0);
