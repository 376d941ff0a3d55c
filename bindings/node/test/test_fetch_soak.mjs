/* fetch over time: ten thousand requests leave nothing behind, bodies that are forgotten end, and a
 * gateway that is killed and comes back loses what was under way and nothing else. */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createFetch } from 'leat';
import { peer } from './peers.mjs';
import { serve, startMock, until } from './servers.mjs';

const CHAT = { model: 'm', messages: [{ role: 'user', content: 'hi' }], stream: true };
const HEADERS = { 'content-type': 'application/json', 'authorization': 'Bearer k' };
const POST = { method: 'POST', headers: HEADERS, body: JSON.stringify(CHAT) };
const WARM = 2000;
const ALL = 10_000;
const AT_ONCE = 50;
const GROWTH_BYTES_MAX = 4 << 20;

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');
const descriptors = () => readdirSync('/proc/self/fd').length;
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function used() {
  for (let i = 0; i < 4; i++) {
    gc();
    await turn();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/* `count` requests, so many at a time; each ends in one of the ways that callers have. */
async function run(fetch, url, signal, count) {
  let left = count;
  async function worker() {
    while (left-- > 0) {
      const response = await fetch(url, { ...POST, signal });
      if (left % 4 === 0) await response.body.cancel();
      else if (left % 4 === 1) await response.text();
      else for await (const piece of response.body) assert.ok(piece.length > 0);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

for (const http of ['1.1', '2']) {
  test(`memory and descriptors stay flat over HTTP/${http}`, async () => {
    const mock = await startMock('--ttft', '0', '--gap', '0', '--events', '2');
    const fetch = createFetch({ caFile: mock.ca, http });
    const url = `${mock.url}/v1/chat/completions`;
    const { signal } = new AbortController(); /* one for all: its listeners must not pile up */
    await run(fetch, url, signal, WARM);
    const before = await used();
    await run(fetch, url, signal, ALL - WARM);
    const grown = await used() - before;
    assert.ok(grown < GROWTH_BYTES_MAX, `${grown} bytes more after ${ALL - WARM} requests`);
    assert.ok(descriptors() < 40 + 2 * AT_ONCE, `${descriptors()} descriptors`);
    await until(() => fetch.stats().requestsLive === 0, 'the end of all requests');
    await fetch.close();
    await mock.stop();
  });
}

test('a signal that many requests share has one listener, and none behind them', async () => {
  const server = await serve('1.1', (request, response) => {
    if (request.url === '/whole') response.end('x');
    else response.write('x');
  });
  const fetch = createFetch();
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = () => getEventListeners(signal, 'abort').length;
  const bodies = await Promise.all(Array.from({ length: 30 },
    () => fetch(`${server.url}/whole`, { signal })));
  assert.equal(listeners(), 1);
  await Promise.all(bodies.map((response) => response.text()));
  await until(() => listeners() === 0, 'the end of the listening');
  const open = await Promise.all(Array.from({ length: 30 }, () => fetch(server.url, { signal })));
  controller.abort();
  for (const response of open) await assert.rejects(response.text(), { name: 'AbortError' });
  await fetch.close(true);
  await server.close();
});

test('closing leaves no descriptor, nor does failing', async () => {
  const mock = await startMock('--ttft', '0', '--gap', '0', '--events', '2');
  const one = async () => {
    const fetch = createFetch({ caFile: mock.ca });
    assert.match(await (await fetch(`${mock.url}/v1/chat/completions`, POST)).text(), /DONE/);
    await assert.rejects(fetch('http://127.0.0.1:1/'), TypeError);
    await fetch.close();
  };
  await one();
  const before = descriptors();
  for (let i = 0; i < 20; i++) await one();
  await until(() => descriptors() <= before, 'the closing of all descriptors');
  await mock.stop();
});

test('a response that is forgotten ends at the server', async () => {
  let closed = 0;
  const server = await serve('1.1', (request, response) => {
    response.on('close', () => { closed++; });
    response.write('x');
  });
  const fetch = createFetch();
  await Promise.all(Array.from({ length: 5 }, () => fetch(server.url)));
  await until(() => {
    gc();
    return closed === 5;
  }, 'the end of five responses that nobody has');
  await fetch.close(true);
  await server.close();
});

test('a gateway that is killed and comes back', async () => {
  let mock = await startMock('--ttft', '5ms', '--gap', '1ms', '--events', '50');
  const fetch = createFetch({ insecure: true });
  const url = `${mock.url}/v1/chat/completions`;
  const counts = { whole: 0, lost: 0 };
  let stopped = false;
  async function worker() {
    while (!stopped) {
      try {
        const text = await (await fetch(url, POST)).text();
        assert.match(text, /\[DONE\]/);
        counts.whole++;
      } catch (error) {
        assert.ok(error instanceof TypeError, error);
        assert.match(error.cause.name, /^LEAT_E/);
        counts.lost++;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }
  const workers = Array.from({ length: AT_ONCE }, worker);
  await until(() => counts.whole >= AT_ONCE, 'the first answers');
  await mock.stop('SIGKILL');
  await until(() => counts.lost >= AT_ONCE, 'the loss of all that was under way');
  mock = await startMock('--port', String(mock.port), '--ttft', '5ms', '--events', '50');
  const { whole } = counts;
  await until(() => counts.whole >= whole + 3 * AT_ONCE, 'answers of the new one');
  stopped = true;
  await Promise.all(workers);
  assert.equal(fetch.stats().requestsLive, 0);
  await fetch.close();
  await mock.stop();
});

const OpenAI = peer('openai');
test('the SDK gets over a restart by its own repeats',
  { skip: OpenAI ? false : 'the SDKs are not installed (LEAT_PEERS)' }, async () => {
    let mock = await startMock('--events', '10');
    const fetch = createFetch({ insecure: true });
    const client = new OpenAI({ apiKey: 'k', baseURL: `${mock.url}/v1`, maxRetries: 6, fetch });
    const ask = async () => {
      let n = 0;
      for await (const chunk of await client.chat.completions.create(CHAT)) {
        n += chunk.choices.length;
      }
      return n;
    };
    assert.ok(await ask() >= 10);
    await mock.stop('SIGKILL');
    const waiting = Promise.all(Array.from({ length: 10 }, ask));
    mock = await startMock('--port', String(mock.port), '--events', '10');
    assert.ok((await waiting).every((n) => n >= 10));
    await fetch.close();
    await mock.stop();
  });
