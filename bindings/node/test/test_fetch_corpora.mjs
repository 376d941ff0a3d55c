/* Every recorded stream of the corpora, in pieces of odd sizes and with every ending: the SDKs'
 * events over leat's fetch are those over Node's, errors included; where there is no SDK, the bytes
 * are. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createFetch } from 'leat';
import { peer } from './peers.mjs';
import { serve } from './servers.mjs';

const OpenAI = peer('openai');
const Anthropic = peer('@anthropic-ai/sdk');
const folder = join(process.env.LEAT_CORPORA ?? '', 'streams');
let skip = false;
if (!OpenAI || !Anthropic) skip = 'the SDKs are not installed (LEAT_PEERS)';
if (!process.env.LEAT_CORPORA || !existsSync(folder)) skip = 'no corpora (LEAT_CORPORA)';

const TYPES = { 'sse': 'text/event-stream', 'json': 'application/json',
  'json-array': 'application/json' };
const WAYS = [[1, 'end'], [7, 'end'], [0, 'end'], [0, 'length']];
const names = skip ? [] : readdirSync(folder).filter((name) => name.endsWith('.body'))
  .map((name) => name.slice(0, -'.body'.length));

const recordings = new Map(names.map((name) => [name, {
  body: readFileSync(join(folder, `${name}.body`)),
  expected: JSON.parse(readFileSync(join(folder, `${name}.expected.json`), 'utf8')),
}]));

/* /NAME/SIZE/END/...: the recording, SIZE bytes a write (0: all), and so ended. */
async function replay(request, response) {
  request.resume();
  const [, name, size, end] = request.url.split('/');
  const { body, expected } = recordings.get(name);
  response.setHeader('content-type', TYPES[expected.transport]);
  if (end === 'length') response.setHeader('content-length', body.length);
  const step = Number(size) || body.length || 1;
  for (let at = 0; at < body.length; at += step) {
    response.write(body.subarray(at, at + step));
    if (at % (64 * step) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  if (end !== 'cut') {
    response.end();
    return;
  }
  await new Promise((resolve) => response.write(' ', resolve)); /* all of it has left */
  if (response.stream) response.stream.close(2);
  else response.destroy();
}

/* The call that an SDK has for a format; null: there is none. */
function callOf(format, baseURL, fetch) {
  const openai = () => new OpenAI({ apiKey: 'k', baseURL, maxRetries: 0, fetch });
  const ask = { model: 'm', stream: true };
  const messages = [{ role: 'user', content: 'hi' }];
  switch (format) {
    case 'openai-chat': return () => openai().chat.completions.create({ ...ask, messages });
    case 'openai-completions': return () => openai().completions.create({ ...ask, prompt: 'hi' });
    case 'openai-responses': return () => openai().responses.create({ ...ask, input: 'hi' });
    case 'anthropic': {
      const anthropic = new Anthropic({ apiKey: 'k', baseURL, maxRetries: 0, fetch });
      return () => anthropic.messages.create({ ...ask, messages, max_tokens: 9 });
    }
    default: return null;
  }
}

async function bytesOf(url, fetch) {
  const pieces = [];
  for await (const piece of (await fetch(url, { method: 'POST' })).body) pieces.push(piece);
  return [Buffer.concat(pieces).toString('latin1')];
}

/* What comes: events, and what it ended with. */
async function told(name, way, url, fetch) {
  const base = [url, name, ...way].join('/');
  const events = [];
  const call = callOf(recordings.get(name).expected.format, base, fetch);
  try {
    if (!call) return { events: await bytesOf(base, fetch), error: null };
    for await (const event of await call()) events.push(event);
  } catch (error) {
    const { constructor, message, status, error: body } = error;
    return { events, error: [constructor.name, message, status, body] };
  }
  return { events, error: null };
}

const servers = {};
const fetches = { 1.1: createFetch({ http: '1.1' }), 2: createFetch({ http: '2' }) };
/* The SDKs print what they cannot parse. */
const print = console.error;

describe('recordings', { skip }, () => {
  before(async () => {
    console.error = () => {};
    for (const version of ['1.1', '2']) {
      servers[version] = await serve(version, (request, response) => {
        replay(request, response).catch(() => response.destroy());
      });
    }
  });
  after(async () => {
    console.error = print;
    for (const version of ['1.1', '2']) {
      await fetches[version].close(true);
      await servers[version].close();
    }
  });

  test('there are recordings of every format', () => {
    const formats = new Set([...recordings.values()].map(({ expected }) => expected.format));
    assert.ok(recordings.size > 40);
    assert.deepEqual([...formats].sort(),
      ['anthropic', 'gemini', 'openai-chat', 'openai-completions', 'openai-responses']);
  });

  for (const way of WAYS) {
    test(`recordings, ${way[0] || 'all'} bytes a write, ${way[1]}`, async () => {
      let compared = 0;
      for (const name of names) {
        const wanted = await told(name, way, servers['1.1'].url, globalThis.fetch);
        for (const version of ['1.1', '2']) {
          const got = await told(name, way, servers[version].url, fetches[version]);
          assert.deepEqual(got, wanted, `${name} over HTTP/${version}`);
          compared += got.events.length;
        }
      }
      assert.ok(compared > 500);
    });
  }

  test('a recording that is cut off gives all that came, and an error', async () => {
    for (const version of ['1.1', '2']) {
      for (const name of names.filter((one) => recordings.get(one).expected.format !== 'gemini')) {
        const { url } = servers[version];
        const whole = await told(name, [0, 'end'], url, fetches[version]);
        const cut = await told(name, [7, 'cut'], url, fetches[version]);
        assert.notEqual(cut.error, null, name);
        assert.ok(cut.events.length >= whole.events.length - 1, name);
        assert.deepEqual(cut.events, whole.events.slice(0, cut.events.length), name);
      }
    }
  });
});
