/* Streams and whole answers in every dialect, what is told when they fail, lanes, jobs. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as leat from 'leat';
import { startMock, until } from './servers.mjs';

const KEY = 'sk-tests-secret';
const SEED = { 'x-mock-seed': '7' };
let mock;
let client;

before(async () => {
  mock = await startMock('--ttft', '5ms', '--gap', '1ms', '--events', '20');
  client = new leat.Client(options());
});
after(async () => {
  await client.close();
  await mock.stop();
});

function options(more = {}) {
  return { baseURL: mock.url, apiKey: KEY, caFile: mock.ca, ...more };
}

async function all(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

for (const protocol of ['openai-chat', 'openai-completions', 'openai-responses', 'anthropic',
  'gemini']) {
  test(`${protocol} streams and completes`, async () => {
    const asked = { model: 'm', headers: SEED, protocol };
    const events = await all(client.chat('hi', asked));
    const text = events.map((event) => event.text).join('');
    assert.equal(events[0].kind, 'head');
    assert.equal(events[0].head.status, 200);
    assert.match(events[0].head.get('Content-Type'), /^text\/event-stream/);
    assert.ok(text.length > 100);
    assert.ok(events.some((event) => event.finishReason));
    assert.ok(events.some((event) => event.usage?.output > 0));
    assert.ok(events.filter((event) => event.text).every((event) => event.receivedNs > 0));
    const whole = await client.complete('hi', asked);
    const streamed = await client.complete('hi', { ...asked, stream: true });
    assert.equal(whole.text, text);
    assert.equal(streamed.text, text);
    assert.equal(whole.usage.output, streamed.usage.output);
    assert.ok(whole.finishReason);
    assert.equal(whole.head.status, 200);
    assert.equal(whole.result.http, 2);
  });
}

test('texts of every length and script come as they were sent', async () => {
  const pieces = [];
  for (const bytes of ['1', '7', '12', '13', '40', '500']) {
    const stream = client.chat('hi', { model: 'm', headers: { ...SEED, 'x-mock-bytes': bytes } });
    const events = await all(stream);
    pieces.push(...events.map((event) => event.text));
    const whole = await client.complete('hi',
      { model: 'm', headers: { ...SEED, 'x-mock-bytes': bytes } });
    assert.equal(events.map((event) => event.text).join(''), whole.text);
  }
  const text = pieces.join('');
  assert.ok(!text.includes('\ufffd'));
  assert.match(text, /[é😀。ß]/u);
});

test('a stream knows how it ended', async () => {
  const stream = client.chat([{ role: 'user', content: 'hi' }], { model: 'm' });
  assert.equal(stream.ending, null);
  const text = (await all(stream)).map((event) => event.text).join('');
  assert.equal(stream.text, text);
  assert.equal(stream.ending.name, 'LEAT_OK');
  assert.ok(stream.ending.responseId);
  assert.ok(stream.ending.doneNs > stream.ending.queuedNs);
  assert.deepEqual(await all(stream), []);
  assert.ok(client.stats().requestsCompleted > 0);
  assert.match(client.metrics(), /leat_/);
});

test('options reach the body, and what is none is refused', async () => {
  const answer = await client.complete([
    { role: 'system', content: 'be short' },
    { role: 'user', content: [
      { type: 'text', text: 'what is it?' },
      { type: 'image_url', image_url: { url: 'https://a.example/x.png' } }] },
    { role: 'assistant', content: null, tool_calls: [
      { id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }] },
    { role: 'tool', tool_call_id: 'c1', content: '42' },
  ], {
    model: 'm', maxTokens: 5, temperature: 0.5, n: 2, stop: 'END', seed: 3,
    tools: [{ type: 'function', function: { name: 'f', parameters: {} } }], toolChoice: 'none',
    extra: { chat_template_kwargs: { a: 1 } }, responseFormat: { type: 'text' },
    metadata: { a: 'b' }, timeout: { connect: 5000, total: 20_000, idle: Infinity },
  });
  assert.equal(answer.choices.length, 2);
  assert.throws(() => client.chat('hi', { model: 'm', banana: 1 }), /no option banana/);
  assert.throws(() => client.chat([{ role: 'user', contents: 'x' }], { model: 'm' }),
    /no member contents/);
  assert.throws(() => client.chat('hi', { model: 'm', timeout: -1 }), /timeout must be above 0/);
  assert.throws(() => client.chat('hi', { model: 'm', maxTokens: 1.5 }), /max_tokens must be a/);
  assert.throws(() => client.chat('hi', { model: 7 }), /model must be a string/);
  assert.throws(() => client.chat('hi', { model: 'm', auth: 'basic' }), /auth: basic is none of/);
  await assert.rejects(client.complete('hi', { model: 'm', extra: { model: 'twice' } }),
    leat.UsageError);
});

test('tool calls are joined', async () => {
  const { choices } = await client.complete('hi', {
    model: 'm', stream: true, headers: { 'x-mock-finish': 'tool_calls' }, toolChoice: 'required',
    tools: [{ type: 'function', function: { name: 'weather', parameters: {} } }],
  });
  const calls = choices.flatMap((choice) => choice.toolCalls);
  assert.ok(calls.length > 0);
  for (const call of calls) {
    assert.ok(call.id && call.name);
    JSON.parse(call.arguments);
  }
});

test('raw records come when they are asked for', async () => {
  const events = await all(client.chat('hi', { model: 'm', raw: true }));
  const raw = events.filter((event) => event.kind === 'raw').map((event) => event.data);
  assert.ok(raw.length > 20);
  for (const data of raw) assert.match(Buffer.from(data).toString(), /^(\{|\[DONE\])/);
});

for (const [fault, Kind, name] of [
  ['status=400', leat.StatusError, 'LEAT_ESTATUS'],
  ['html', leat.StreamError, 'LEAT_ENOTSTREAM'],
  ['close=2000', leat.StreamError, 'LEAT_ETRUNCATED'],
  ['no-finish', leat.StreamError, 'LEAT_EINCOMPLETE'],
  ['error=3', leat.StatusError, 'LEAT_EAPI'],
]) {
  test(`${fault} is ${name}`, async () => {
    const stream = client.chat('hi',
      { model: 'm', retries: 0, headers: { 'x-mock-fault': fault } });
    const error = await all(stream).then(() => assert.fail('it ended well'), (failed) => failed);
    assert.ok(error instanceof Kind && error instanceof leat.LeatError, String(error));
    assert.equal(error.name, name);
    assert.equal(error.text, stream.text);
    assert.equal(error.text.length > 0, ['close=2000', 'no-finish', 'error=3'].includes(fault));
    const told = `${error.stack} ${JSON.stringify(error)} ${JSON.stringify(error.ending)}`;
    assert.ok(!told.includes(KEY));
  });
}

test('deadlines, connections and certificates fail as such', async (t) => {
  const slow = { 'x-mock-fault': 'slow-head=5000' };
  await assert.rejects(client.complete('hi', { model: 'm', headers: slow, timeout: 200 }),
    (error) => error instanceof leat.DeadlineError && error.name === 'LEAT_ETOTALTIMEOUT');
  await assert.rejects(client.complete('hi', { model: 'm', baseURL: 'http://127.0.0.1:1',
    retries: 0 }), leat.ConnectError);
  const stranger = new leat.Client({ baseURL: mock.url, retries: 0 });
  t.after(() => stranger.close());
  await assert.rejects(stranger.complete('hi', { model: 'm' }), leat.TLSError);
  assert.throws(() => new leat.Client({ baseURL: 'https://a.example', proxy: 'nonsense://' }),
    leat.LeatError);
  assert.throws(() => new leat.Client({ baseURL: mock.url, nonsense: 1 }), TypeError);
});

test('endpoints are called by name', async () => {
  const listed = await client.call('models.list');
  assert.ok(listed.json().data.length > 0);
  const reply = await client.call('embeddings.create', { model: 'e', input: 'mill' });
  assert.equal(reply.status, 200);
  assert.equal(reply.result.attempts, 1);
  const asked = { model: 'm', messages: [{ role: 'user', content: 'x' }] };
  const chat = await client.call('chat.completions', asked);
  assert.ok(chat.json().choices[0].message.content.length > 0);
  await assert.rejects(client.call('no.such'), leat.UsageError);
});

test('jobs are awaited, watched and downloaded', async () => {
  const video = { family: 'video', model: 'veo', poll: 50 };
  const start = (more) => client.task({ ...video, ...more });
  const done = await start({ download: true,
    prompt: 'x mock_ms=10 mock_queued_ms=10 mock_bytes=1000' });
  assert.equal(done.status, 'completed');
  const same = await client.task(null, null, null, { ...video, prompt: 'mock_ms=10' });
  assert.equal(same.status, 'completed');
  assert.equal(done.data.length, 1000);
  assert.ok(done.polls > 0);
  const states = [];
  for await (const { state } of start({ prompt: 'mock_ms=10' }).updates()) states.push(state);
  assert.equal(states.at(-1), 'succeeded');
  await assert.rejects(Promise.resolve(start({ prompt: 'mock_ms=10 mock_fail=1' })),
    leat.TaskError);
});

test('a newer request of a lane takes the place of the older', async () => {
  const slow = { 'x-mock-gap-ms': '50' };
  const first = client.chat('a', { model: 'm', lane: '1', headers: slow });
  await first.next();
  const second = await client.complete('b', { model: 'm', lane: '1', supersede: true });
  assert.ok(second.text);
  await assert.rejects(all(first), leat.SupersededError);
});

test('requests of a lane run one after the other', async () => {
  const ends = [];
  await Promise.all(['a', 'b', 'c'].map(async (name) => {
    await client.complete(name, { model: 'm', lane: 'chat' });
    ends.push(name);
  }));
  assert.deepEqual(ends, ['a', 'b', 'c']);
});

test('limits are kept to', async (t) => {
  const limited = new leat.Client(options({ limits: [{ concurrency: 1 }] }));
  t.after(() => limited.close());
  const slow = { 'x-mock-ttft-ms': '100' };
  const asked = [1, 2, 3].map(() => limited.complete('hi', { model: 'm', headers: slow }));
  await until(() => limited.stats().requestsLimited >= 1, 'a request that is limited');
  await Promise.all(asked);
  assert.equal(limited.stats().requestsCompleted, 3);
});
