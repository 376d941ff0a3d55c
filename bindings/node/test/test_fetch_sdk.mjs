/* The official SDKs over leat's fetch, against the gateway: their own calls, errors, retries and
 * endings, as over Node's fetch. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { createFetch } from 'leat';
import { peer } from './peers.mjs';
import { startMock, until } from './servers.mjs';

const OpenAI = peer('openai');
const Anthropic = peer('@anthropic-ai/sdk');
const skip = OpenAI && Anthropic ? false : 'the SDKs are not installed (LEAT_PEERS)';
const MESSAGES = [{ role: 'user', content: 'hi' }];
const CHAT = { model: 'm', messages: MESSAGES };
const STATUSES = [400, 401, 403, 404, 409, 422, 429, 500, 503, 529];

const fault = (rule, more) => ({ headers: { 'x-mock-fault': rule, ...more } });
const kindOf = (promise) => promise.then(() => 'none', (error) => error.constructor.name);

async function textOf(stream) {
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  return text;
}

for (const http of ['1.1', '2']) {
  describe(`the SDKs over HTTP/${http}`, { skip }, () => {
    let mock;
    let plain;
    let fetch;
    let openai;
    let anthropic;

    before(async () => {
      mock = await startMock('--ttft', '1ms', '--gap', '1ms', '--events', '20');
      plain = await startMock('--plain', '--ttft', '1ms', '--gap', '1ms');
      fetch = createFetch({ caFile: mock.ca, http });
      openai = new OpenAI({ apiKey: 'k', baseURL: `${mock.url}/v1`, maxRetries: 0, fetch });
      anthropic = new Anthropic({ apiKey: 'k', baseURL: mock.url, maxRetries: 0, fetch });
    });
    after(async () => {
      await fetch.close(true);
      await mock.stop();
      await plain.stop();
    });

    test('a chat is streamed, and is what the whole answer is', async () => {
      const seed = { headers: { 'x-mock-seed': '7' } };
      const streamed = await textOf(await openai.chat.completions.create(
        { ...CHAT, stream: true }, seed));
      const whole = await openai.chat.completions.create(CHAT, seed);
      assert.ok(streamed.length > 100);
      assert.equal(streamed, whole.choices[0].message.content);
      let said = '';
      const events = await anthropic.messages.create(
        { ...CHAT, max_tokens: 50, stream: true }, seed);
      for await (const event of events) {
        if (event.type === 'content_block_delta') said += event.delta.text ?? '';
      }
      assert.ok(said.length > 100);
      const message = await anthropic.messages.stream({ ...CHAT, max_tokens: 20 }).finalMessage();
      assert.equal(message.role, 'assistant');
    });

    test('the shorter ways of the SDK: raw response, stream of lines, tee', async () => {
      const raw = await openai.chat.completions.create({ ...CHAT, stream: true }).asResponse();
      assert.match(raw.headers.get('content-type'), /event-stream/);
      assert.match(await raw.text(), /\[DONE\]/);
      const { data, response } = await openai.chat.completions.create(CHAT).withResponse();
      assert.deepEqual([response.status, data.choices.length], [200, 1]);
      const [one, two] = (await openai.chat.completions.create({ ...CHAT, stream: true })).tee();
      const [first, second] = await Promise.all([textOf(one), textOf(two)]);
      assert.equal(first, second);
      const lines = (await openai.chat.completions.create({ ...CHAT, stream: true }))
        .toReadableStream();
      assert.ok((await new Response(lines).text()).split('\n').length > 20);
    });

    test('files and vectors: forms, whole answers', async () => {
      const file = new File(['{"custom_id":"a"}\n'], 'jobs.jsonl');
      const made = await openai.files.create({ file, purpose: 'batch' });
      assert.deepEqual([made.filename, made.bytes], ['jobs.jsonl', 18]);
      const { data } = await openai.embeddings.create({ model: 'm', input: ['a', 'b'] });
      assert.equal(data.length, 2);
    });

    test('statuses are the exceptions that they are over Node\'s fetch', async () => {
      const base = { apiKey: 'k', maxRetries: 0 };
      const openaiOfNode = new OpenAI({ ...base, baseURL: `${plain.url}/v1` });
      const anthropicOfNode = new Anthropic({ ...base, baseURL: plain.url });
      for (const status of STATUSES) {
        const how = fault(`status=${status}`);
        for (const stream of [false, true]) {
          const ask = { ...CHAT, stream };
          const ours = await kindOf(openai.chat.completions.create(ask, how));
          assert.equal(ours, await kindOf(openaiOfNode.chat.completions.create(ask, how)));
          assert.notEqual(ours, 'none');
          const theirs = { ...ask, max_tokens: 5 };
          assert.equal(await kindOf(anthropic.messages.create(theirs, how)),
            await kindOf(anthropicOfNode.messages.create(theirs, how)));
        }
      }
    });

    test('the SDK repeats, fetch does not', async () => {
      const before = fetch.stats().requestsStarted;
      const once = fault('status=503',
        { 'x-mock-fault-times': '1', 'x-mock-fault-key': `repeats ${http}` });
      const text = await textOf(await openai.chat.completions.create(
        { ...CHAT, stream: true }, { ...once, maxRetries: 2 }));
      assert.ok(text.length > 0);
      assert.equal(fetch.stats().requestsStarted - before, 2);
      await assert.rejects(openai.chat.completions.create(CHAT, fault('drop')),
        OpenAI.APIConnectionError);
      assert.equal(fetch.stats().requestsStarted - before, 3);
    });

    test('time-outs are the SDK\'s, by its clock or by the engine\'s', async () => {
      const slow = fault('slow-head=5000');
      await assert.rejects(openai.chat.completions.create(CHAT, { ...slow, timeout: 50 }),
        OpenAI.APIConnectionTimeoutError);
      const hasty = createFetch({ caFile: mock.ca, http, timeout: { head: 50 } });
      await assert.rejects(openai.withOptions({ fetch: hasty }).chat.completions.create(CHAT, slow),
        OpenAI.APIConnectionTimeoutError);
      await assert.rejects(
        anthropic.withOptions({ fetch: hasty }).messages.create({ ...CHAT, max_tokens: 5 }, slow),
        Anthropic.APIConnectionTimeoutError);
      await hasty.close(true);
    });

    test('an answer that breaks off is no whole answer', async () => {
      const cut = await openai.chat.completions.create({ ...CHAT, stream: true },
        fault('close=500'));
      await assert.rejects(textOf(cut), (error) => {
        assert.match(String(error.cause?.name ?? error.cause), /LEAT_/);
        return true;
      });
    });

    test('leaving, aborting and a signal of one\'s own end the request', async () => {
      const long = { headers: { 'x-mock-events': '10000' } };
      const ask = (more) => openai.chat.completions.create({ ...CHAT, stream: true },
        { ...long, ...more });
      for await (const chunk of await ask()) {
        assert.ok(chunk.id);
        break;
      }
      const aborted = await ask();
      let count = 0;
      for await (const chunk of aborted) {
        count += chunk.choices.length;
        if (count === 3) aborted.controller.abort();
      }
      assert.ok(count >= 3 && count < 10_000);
      const own = new AbortController();
      const reading = textOf(await ask({ signal: own.signal }));
      own.abort();
      await reading;
      const early = new AbortController();
      const waiting = ask({ signal: early.signal, headers: { 'x-mock-fault': 'slow-head=9000' } });
      setTimeout(() => early.abort(), 20);
      await assert.rejects(waiting, OpenAI.APIUserAbortError);
      await until(() => fetch.stats().requestsLive === 0, 'the end of all requests');
    });
  });
}

test('a certificate that nobody vouches for is refused', { skip }, async () => {
  const mock = await startMock();
  const fetch = createFetch();
  await assert.rejects(fetch(`${mock.url}/v1/models`), (error) => {
    assert.equal(error.cause.name, 'LEAT_ECERT');
    return true;
  });
  const trusting = createFetch({ caPem: readFileSync(mock.ca, 'utf8') });
  assert.equal((await trusting(`${mock.url}/v1/models`)).status, 200);
  await fetch.close();
  await trusting.close();
  await mock.stop();
});
