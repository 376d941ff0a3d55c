/* Many at once, slow readers, cancelling, listeners, contexts, and a gateway that dies. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as leat from 'leat';
import { startMock, until } from './servers.mjs';

const EVENTS = 20;
let mock;
let client;

before(async () => {
  mock = await startMock('--ttft', '5ms', '--gap', '1ms', '--events', String(EVENTS));
  client = newClient();
});
after(async () => {
  await client.close();
  await mock.stop();
});

function newClient(more = {}) {
  return new leat.Client({ baseURL: mock.url, apiKey: 'k', caFile: mock.ca, ...more });
}

async function count(stream) {
  let n = 0;
  for await (const event of stream) if (event.text) n++;
  return n;
}

const chat = (headers = {}, more = {}) => client.chat('hi', { model: 'm', headers, ...more });

for (const http of ['2', '1.1']) {
  test(`500 streams at once over HTTP/${http}`, async (t) => {
    const many = newClient({ http, connsMax: 500 });
    t.after(() => many.close());
    const streams = Array.from({ length: 500 }, () => many.chat('hi', { model: 'm' }));
    const counts = await Promise.all(streams.map(count));
    assert.deepEqual(counts, streams.map(() => EVENTS));
    const stats = many.stats();
    assert.equal(stats.requestsCompleted, 500);
    assert.ok(http === '1.1' || stats.connsOpened <= 8, `${stats.connsOpened} connections`);
  });
}

test('a slow reader is waited for, and others are not', async () => {
  const big = { 'x-mock-events': '2000', 'x-mock-bytes': '4000', 'x-mock-gap-ms': '0' };
  const stream = chat(big);
  await until(() => stream.paused, 'a pause');
  await sleep(300);
  assert.ok(stream.held > 100_000 && stream.held < 4_000_000, `${stream.held} bytes are held`);
  assert.ok((await client.complete('hi', { model: 'm' })).text);
  let n = 0;
  let size = 0;
  for await (const event of stream) {
    size += event.text.length;
    if (event.text) n++;
    if (n % 500 === 0) await sleep(5);
  }
  assert.equal(n, 2000);
  assert.equal(size, stream.text.length);
});

test('leaving a loop, cancel and dispose end the request', async () => {
  const slow = { 'x-mock-gap-ms': '200' };
  const cancelled = client.stats().requestsCancelled;
  for await (const event of chat(slow)) if (event.head) break;
  const other = chat(slow);
  await other.next();
  const waits = other.next();
  other.cancel();
  assert.deepEqual(await waits, { done: true, value: undefined });
  const disposed = chat(slow);
  await disposed.next();
  await disposed[Symbol.asyncDispose]();
  await until(() => client.stats().requestsLive === 0, 'the end of all');
  assert.equal(client.stats().requestsCancelled - cancelled, 3);
});

test('an AbortSignal ends what it was given to', async () => {
  const controller = new AbortController();
  const slow = { 'x-mock-gap-ms': '200' };
  const streams = Array.from({ length: 20 }, () => chat(slow, { signal: controller.signal }));
  await Promise.all(streams.map((stream) => stream.next()));
  const reads = streams.map((stream) => count(stream));
  const whole = client.complete('hi', { model: 'm', headers: slow, signal: controller.signal });
  const reason = new Error('enough');
  controller.abort(reason);
  for (const read of [...reads, whole]) await assert.rejects(read, reason);
  await assert.rejects(count(chat({}, { signal: controller.signal })), reason);
  await assert.rejects(count(chat({ 'x-mock-ttft-ms': '5000' },
    { signal: AbortSignal.timeout(50) })), { name: 'TimeoutError' });
  await until(() => client.stats().requestsLive === 0, 'the end of all');
});

test('a second reader is refused', async () => {
  const stream = chat({ 'x-mock-ttft-ms': '300' });
  const first = stream.next();
  await assert.rejects(stream.next(), /has a reader/);
  assert.equal((await first).value.kind, 'head');
  stream.cancel();
});

test('a listener hears every event, in its own context', async () => {
  const storage = new AsyncLocalStorage();
  const heard = await Promise.all(['a', 'b'].map((name) => storage.run(name, async () => {
    const names = new Set();
    let n = 0;
    await chat().each((event) => {
      names.add(storage.getStore());
      if (event.text) n++;
    });
    assert.equal(storage.getStore(), name);
    return [n, ...names];
  })));
  assert.deepEqual(heard, [[EVENTS, 'a'], [EVENTS, 'b']]);
});

test('a listener that throws is an uncaughtException, and others hear on', async () => {
  const thrown = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => thrown.push(error.message));
  try {
    let n = 0;
    const other = chat().each((event) => { if (event.text) n++; });
    await chat().each((event) => { if (event.head) throw new Error('mine'); });
    await other;
    assert.equal(n, EVENTS);
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const one of listeners) process.on('uncaughtException', one);
  }
  assert.deepEqual(thrown, ['mine']);
});

test('closing cancels what runs, or waits for it', async () => {
  const now = newClient();
  const cut = now.chat('hi', { model: 'm', headers: { 'x-mock-gap-ms': '500' } });
  await cut.next();
  const rest = count(cut);
  await Promise.all([now.close(), assert.rejects(rest, leat.CancelledError)]);
  await assert.rejects(now.complete('hi', { model: 'm' }), leat.UsageError);
  assert.throws(() => now.stats(), leat.LeatError);
  const later = newClient();
  const kept = count(later.chat('hi', { model: 'm' }));
  await later.close({ drain: true });
  assert.equal(await kept, EVENTS);
});

test('a gateway that is killed fails its streams, and another one serves', async (t) => {
  const doomed = await startMock('--ttft', '5ms');
  const other = new leat.Client({ apiKey: 'k', caFile: doomed.ca, retries: 0 });
  t.after(() => other.close());
  const slow = { 'x-mock-gap-ms': '100' };
  const streams = Array.from({ length: 50 }, () =>
    other.chat('hi', { model: 'm', headers: slow, baseURL: doomed.url }));
  await Promise.all(streams.map((stream) => stream.next()));
  const ended = Promise.allSettled(streams.map(count));
  await doomed.stop('SIGKILL');
  for (const { reason } of await ended) assert.ok(reason instanceof leat.LeatError);
  await assert.rejects(other.complete('hi', { model: 'm', baseURL: mock.url }), leat.TLSError);
});
