/* fetch as the standard has it, against Node's own servers over HTTP/1.1 and HTTP/2; where it is
 * cheap, beside Node's fetch. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import zlib from 'node:zlib';
import { createFetch, LeatError } from 'leat';
import { bodyOf, serve, until } from './servers.mjs';

const LARGE = 3_000_000;
const HUGE = 100_000_000; /* more than the system's buffers hold */
const encoder = new TextEncoder();

/* What the servers answer, by path. `server` has the url; `seen` what tests look at. */
function routes(seen) {
  const json = (response, value) => response.end(JSON.stringify(value));
  const codings = {
    gzip: zlib.gzipSync, deflate: zlib.deflateSync, raw: zlib.deflateRawSync,
    br: zlib.brotliCompressSync,
  };
  return {
    '/echo': async (request, response) => {
      const { method, headers } = request;
      json(response, { method, headers, body: (await bodyOf(request)).toString('latin1') });
    },
    '/count': async (request, response) => {
      let size = 0;
      for await (const piece of request) size += piece.length;
      json(response, { size, length: request.headers['content-length'] ?? null });
    },
    '/status': (request, response, url) => {
      response.statusCode = Number(url.searchParams.get('code'));
      if (response.statusCode === 204 || response.statusCode === 304) response.end();
      else response.end('said');
    },
    '/redirect': (request, response, url) => {
      seen.redirects++;
      response.statusCode = Number(url.searchParams.get('code') ?? 302);
      response.setHeader('location', url.searchParams.get('to') ?? '/redirect');
      response.end('moved');
    },
    '/slow': (request, response) => {
      response.write('first');
      response.on('close', () => { seen.closed++; });
    },
    '/silent': (request, response) => {
      response.on('close', () => { seen.closed++; });
    },
    '/large': (request, response, url) => {
      response.on('close', () => { seen.closed++; });
      const piece = Buffer.alloc(50_000, 'x');
      let left = Number(url.searchParams.get('size') ?? LARGE);
      const write = () => {
        while (left > 0 && !response.destroyed) {
          left -= piece.length;
          seen.written += piece.length;
          if (!response.write(piece)) return response.once('drain', write);
        }
        return response.end();
      };
      write();
    },
    '/coded': (request, response, url) => {
      const names = url.searchParams.get('as').split(',');
      let body = Buffer.from('text that is repeated '.repeat(5000));
      for (const name of names) body = codings[name](body);
      response.setHeader('content-encoding', names.join(', ').replace('raw', 'deflate'));
      response.end(url.searchParams.get('break') ? Buffer.from('no coding at all') : body);
    },
    '/unknown-coding': (request, response) => {
      response.setHeader('content-encoding', 'rot13');
      response.end('grkg');
    },
    '/cookies': (request, response) => {
      response.setHeader('set-cookie', ['a=1', 'b=2']);
      response.setHeader('x-latin', 'caf\u00e9');
      response.end();
    },
    '/cut': (request, response) => {
      response.write('half of');
      setTimeout(() => (response.stream ? response.stream.close(2) : response.destroy()), 20);
    },
  };
}

const rejectsFailed = (promise, cause) => assert.rejects(promise, (error) => {
  assert.equal(error.constructor, TypeError);
  assert.equal(error.message, 'fetch failed');
  for (const [name, value] of Object.entries(cause)) {
    if (value instanceof RegExp) assert.match(String(error.cause[name]), value);
    else assert.equal(error.cause[name], value);
  }
  return true;
});

for (const version of ['1.1', '2']) {
  describe(`fetch over HTTP/${version}`, () => {
    const seen = { redirects: 0, closed: 0, written: 0 };
    let fetch;
    let server;
    let other;

    before(async () => {
      const all = routes(seen);
      const answer = (request, response) => {
        const url = new URL(request.url, 'http://localhost');
        Promise.resolve(all[url.pathname](request, response, url)).catch(() => response.destroy());
      };
      server = await serve(version, answer);
      other = await serve(version, answer);
      fetch = createFetch({ http: version });
    });
    after(async () => {
      await fetch.close(true);
      await server.close();
      await other.close();
    });

    const echo = async (init) => (await fetch(`${server.url}/echo`, init)).json();
    const POST = (body, more) => ({ method: 'POST', body, ...more });

    test('a Response is the global one, with the address it came from', async () => {
      const response = await fetch(`${server.url}/echo#part`);
      assert.ok(response instanceof Response);
      assert.ok(response.body instanceof ReadableStream);
      assert.deepEqual([response.status, response.ok, response.redirected, response.type],
        [200, true, false, 'basic']);
      assert.equal(response.url, `${server.url}/echo`);
      const copy = response.clone();
      assert.equal(copy.url, response.url);
      assert.deepEqual(await copy.json(), await response.json());
      assert.equal(response.bodyUsed, true);
    });

    test('what is asked for travels: method, headers, agent', async () => {
      const { method, headers } = await echo({
        method: 'PATCH', body: 'x', headers: { 'X-One': '1', Connection: 'close', Host: 'else' },
      });
      assert.equal(method, 'PATCH');
      assert.equal(headers['x-one'], '1');
      assert.equal(headers.accept, '*/*');
      assert.match(headers['user-agent'], /^leat\//);
      assert.notEqual(headers.host, 'else');
      assert.equal((await echo({ method: 'put', body: 'x' })).method, 'PUT');
      assert.equal((await echo({ method: 'POST' })).headers['content-length'], '0');
    });

    test('bodies of every kind arrive as they are', async () => {
      const cases = [
        ['t\u00e9xt', 't\u00c3\u00a9xt', 'text/plain;charset=UTF-8'],
        [new Uint8Array([0, 255, 7]).subarray(1), '\u00ff\u0007', undefined],
        [new Uint16Array([0x4241]).buffer, 'AB', undefined],
        [new DataView(encoder.encode('view').buffer, 1), 'iew', undefined],
        [new Blob(['blob'], { type: 'text/x-blob' }), 'blob', 'text/x-blob'],
        [new URLSearchParams({ a: 'b c' }), 'a=b+c',
          'application/x-www-form-urlencoded;charset=UTF-8'],
      ];
      for (const [body, text, type] of cases) {
        const answer = await echo(POST(body));
        assert.equal(answer.body, text);
        assert.equal(answer.headers['content-type'], type);
        assert.equal(answer.headers['content-length'], String(text.length));
      }
      const own = await echo(POST('{}', { headers: { 'content-type': 'application/json' } }));
      assert.equal(own.headers['content-type'], 'application/json');
    });

    test('a form is sent with its length, and reads as Node reads it', async () => {
      const form = new FormData();
      form.set('name "quoted"\r\nline', 'value\nof two lines');
      form.set('file', new File([new Uint8Array(2_000_000).fill(65)], 'a.bin', { type: 'a/b' }));
      const { headers, body } = await echo(POST(form));
      assert.equal(Number(headers['content-length']), body.length);
      const read = await new Response(Buffer.from(body, 'latin1'),
        { headers: { 'content-type': headers['content-type'] } }).formData();
      assert.equal(read.get('name "quoted"\r\nline'), 'value\r\nof two lines');
      const file = read.get('file');
      assert.deepEqual([file.name, file.type, file.size], ['a.bin', 'a/b', 2_000_000]);
    });

    test('a stream is sent piece by piece, a large Blob with its length', async () => {
      let left = 40;
      const stream = new ReadableStream({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 1));
          if (left-- > 0) controller.enqueue(new Uint8Array(100_000));
          else controller.close();
        },
      });
      const count = async (init) => (await fetch(`${server.url}/count`, init)).json();
      const sent = await count(POST(stream, { duplex: 'half' }));
      assert.deepEqual(sent, { size: 4_000_000, length: null });
      async function* pieces() {
        yield encoder.encode('one');
        yield encoder.encode('two');
      }
      assert.equal((await echo(POST(pieces(), { duplex: 'half' }))).body, 'onetwo');
      const blob = new Blob([new Uint8Array(5_000_000)]);
      assert.deepEqual(await count(POST(blob)), { size: 5_000_000, length: '5000000' });
    });

    test('a stream without duplex, or that fails, is told as such', async () => {
      const empty = () => new ReadableStream();
      await assert.rejects(fetch(`${server.url}/echo`, POST(empty())), /duplex/);
      const broken = new ReadableStream({
        pull(controller) {
          controller.enqueue(encoder.encode('x'));
          controller.error(new Error('the disk is gone'));
        },
      });
      await rejectsFailed(fetch(`${server.url}/echo`, POST(broken, { duplex: 'half' })),
        { message: 'the disk is gone' });
      const texts = new ReadableStream({ start: (controller) => controller.enqueue('text') });
      await rejectsFailed(fetch(`${server.url}/echo`, POST(texts, { duplex: 'half' })),
        { message: /something else than a Uint8Array/ });
    });

    test('a Request is as good as its parts, and init goes before it', async () => {
      const request = new Request(`${server.url}/echo`, {
        method: 'POST', body: 'of the request', headers: { 'x-one': '1' },
      });
      const answer = await (await fetch(request, { headers: { 'x-two': '2' } })).json();
      assert.equal(answer.body, 'of the request');
      assert.deepEqual([answer.headers['x-one'], answer.headers['x-two']], [undefined, '2']);
      assert.equal(answer.headers['content-length'], '14');
      assert.equal(request.bodyUsed, true);
      await assert.rejects(fetch(request), TypeError);
      let pulls = 0;
      const slow = new Request(`${server.url}/echo`, {
        method: 'POST', duplex: 'half', body: new ReadableStream({
          async pull(controller) {
            await new Promise((resolve) => setTimeout(resolve, 20));
            if (pulls++ < 2) controller.enqueue(encoder.encode('slow '));
            else controller.close();
          },
        }),
      });
      assert.equal((await (await fetch(slow)).json()).body, 'slow slow ');
    });

    test('what cannot be asked for is refused as Node\'s fetch refuses it', async () => {
      const wrong = [
        ['no address', {}], [`${server.url}/echo`, { method: 'CONNECT' }],
        [`${server.url}/echo`, { method: 'a b' }], [`${server.url}/echo`, { body: 'x' }],
        [`${server.url.replace('//', '//user:word@')}/echo`, {}],
        [`${server.url}/echo`, { headers: { 'x-a': 'a\r\nb' } }], ['gopher://a/', {}],
        [`${server.url}/echo`, { signal: 'no signal' }],
        [`${server.url}/echo`, { redirect: 'perhaps' }],
      ];
      for (const [url, init] of wrong) {
        await assert.rejects(globalThis.fetch(url, init), TypeError, `Node: ${url}`);
        await assert.rejects(fetch(url, init), TypeError, url);
      }
      await assert.rejects(fetch(server.url, { dispatcher: {} }), /createFetch\(\{ proxy \}\)/);
      assert.equal(await (await fetch('data:,local')).text(), 'local');
    });

    test('statuses and empty bodies', async () => {
      for (const code of [204, 304]) {
        const response = await fetch(`${server.url}/status?code=${code}`);
        assert.deepEqual([response.status, response.body], [code, null]);
        assert.equal(await response.text(), '');
      }
      const head = await fetch(`${server.url}/status?code=200`, { method: 'HEAD' });
      assert.deepEqual([head.status, head.body], [200, null]);
      const failed = await fetch(`${server.url}/status?code=503`);
      assert.deepEqual([failed.ok, failed.status, await failed.text()], [false, 503, 'said']);
    });

    test('fields that come twice, and bytes that are no ASCII', async () => {
      const ours = await fetch(`${server.url}/cookies`);
      assert.deepEqual(ours.headers.getSetCookie(), ['a=1', 'b=2']);
      assert.equal(ours.headers.has('x-latin'), true);
    });

    test('redirects are followed, refused or shown, as asked', async () => {
      const to = `${server.url}/redirect?to=/echo&code=`;
      const followed = await fetch(`${to}302`, POST('gone'));
      assert.deepEqual([followed.redirected, followed.url], [true, `${server.url}/echo`]);
      const answer = await followed.json();
      assert.deepEqual([answer.method, answer.body, answer.headers['content-type']],
        ['GET', '', undefined]);
      const kept = await (await fetch(`${to}307`, POST('kept'))).json();
      assert.deepEqual([kept.method, kept.body], ['POST', 'kept']);
      assert.equal((await (await fetch(`${to}303`, { method: 'PUT', body: 'x' })).json()).method,
        'GET');
      const shown = await fetch(`${to}301`, { redirect: 'manual' });
      assert.deepEqual([shown.status, shown.headers.get('location')], [301, '/echo']);
      await rejectsFailed(fetch(`${to}301`, { redirect: 'error' }), { message: /redirect/ });
    });

    test('a circle of redirects ends after twenty', async () => {
      seen.redirects = 0;
      await rejectsFailed(fetch(`${server.url}/redirect`), { message: /count exceeded/ });
      assert.equal(seen.redirects, 21);
    });

    test('a key does not follow to another origin, and a stream not at all', async () => {
      const headers = { authorization: 'Bearer k', 'x-api-key': 'k', cookie: 'c=1', 'x-mine': '1' };
      const away = `${server.url}/redirect?code=307&to=${encodeURIComponent(`${other.url}/echo`)}`;
      const got = (await (await fetch(away, { headers })).json()).headers;
      assert.deepEqual(
        [got.authorization, got['x-api-key'], got.cookie, got['x-mine']],
        [undefined, undefined, undefined, '1']);
      const near = (await (await fetch(`${server.url}/redirect?to=/echo`, { headers })).json());
      assert.equal(near.headers.authorization, 'Bearer k');
      async function* pieces() {
        yield encoder.encode('x');
      }
      await rejectsFailed(fetch(away, POST(pieces(), { duplex: 'half' })), { message: /again/ });
    });

    test('content-codings are undone, one above another, too', async () => {
      const text = 'text that is repeated '.repeat(5000);
      for (const as of ['gzip', 'deflate', 'raw', 'br', 'gzip,br', 'deflate,gzip']) {
        const response = await fetch(`${server.url}/coded?as=${as}`);
        assert.ok(await response.text() === text, as);
      }
      assert.equal(await (await fetch(`${server.url}/unknown-coding`)).text(), 'grkg');
      const broken = await fetch(`${server.url}/coded?as=gzip&break=1`);
      await assert.rejects(broken.text(), TypeError);
    });

    test('an abort counts before, during the head, and in the body', async () => {
      const reason = new Error('enough');
      await assert.rejects(fetch(`${server.url}/echo`, { signal: AbortSignal.abort(reason) }),
        reason);
      seen.closed = 0;
      const early = new AbortController();
      const waiting = fetch(`${server.url}/silent`, { signal: early.signal });
      setTimeout(() => early.abort(), 30);
      await assert.rejects(waiting, { name: 'AbortError' });
      const late = new AbortController();
      const response = await fetch(`${server.url}/slow`, { signal: late.signal });
      const reader = response.body.getReader();
      assert.equal(Buffer.from((await reader.read()).value).toString(), 'first');
      late.abort(reason);
      await assert.rejects(reader.read(), reason);
      await until(() => seen.closed === 2, 'the end of both at the server');
      await assert.rejects(fetch(`${server.url}/silent`, { signal: AbortSignal.timeout(30) }),
        { name: 'TimeoutError' });
    });

    test('an abort stops a body that is being sent', async () => {
      let cancelled = null;
      const stream = new ReadableStream({
        pull: () => new Promise(() => {}),
        cancel: (reason) => { cancelled = reason; },
      });
      const controller = new AbortController();
      const sending = fetch(`${server.url}/echo`,
        POST(stream, { duplex: 'half', signal: controller.signal }));
      setTimeout(() => controller.abort(), 30);
      await assert.rejects(sending, { name: 'AbortError' });
      await until(() => cancelled, 'the cancelling of the stream');
      assert.equal(cancelled.name, 'AbortError');
    });

    test('a body is read as an iterator, as a stream, and by bytes of one\'s own', async () => {
      const pieces = [];
      const response = await fetch(`${server.url}/large`);
      for await (const piece of response.body) pieces.push(piece.length);
      assert.equal(pieces.reduce((sum, n) => sum + n), LARGE);
      assert.deepEqual([response.bodyUsed, response.body.locked], [true, true]);
      await assert.rejects(response.text(), TypeError);
      const second = await fetch(`${server.url}/large`);
      assert.equal((await second.arrayBuffer()).byteLength, LARGE);
      const reader = (await fetch(`${server.url}/large`)).body.getReader({ mode: 'byob' });
      let size = 0;
      for (let view = new Uint8Array(1000); ;) {
        const step = await reader.read(view);
        if (step.done) break;
        size += step.value.length;
        view = new Uint8Array(step.value.buffer);
      }
      assert.equal(size, LARGE);
    });

    test('a reader that began may be followed by an iterator', async () => {
      const { body } = await fetch(`${server.url}/large`);
      const reader = body.getReader();
      let size = (await reader.read()).value.length;
      reader.releaseLock();
      for await (const piece of body) size += piece.length;
      assert.equal(size, LARGE);
      const twice = await fetch(`${server.url}/large`);
      twice.body.getReader();
      assert.throws(() => twice.body[Symbol.asyncIterator](), TypeError);
      await assert.rejects(twice.text(), TypeError);
    });

    test('two reads at once are answered in their order', async () => {
      const { body } = await fetch(`${server.url}/slow`);
      const iterator = body[Symbol.asyncIterator]();
      await iterator.next();
      const both = [iterator.next(), iterator.next()];
      await iterator.return();
      assert.deepEqual((await Promise.all(both)).map((step) => step.done), [true, true]);
    });

    test('leaving a body in the middle ends it at the server', async () => {
      seen.closed = 0;
      for await (const piece of (await fetch(`${server.url}/slow`)).body) {
        assert.equal(Buffer.from(piece).toString(), 'first');
        break;
      }
      await until(() => seen.closed === 1, 'the end at the server');
      await (await fetch(`${server.url}/slow`)).body.cancel();
      await until(() => seen.closed === 2, 'the second end at the server');
    });

    test('a body that nobody reads stays at the server', async () => {
      seen.written = 0;
      const { body } = await fetch(`${server.url}/large?size=${HUGE}`);
      let before = -1;
      await until(async () => {
        const still = before === seen.written;
        before = seen.written;
        await new Promise((resolve) => setTimeout(resolve, 100));
        return still && before > 0;
      }, 'a pause');
      assert.ok(seen.written < HUGE / 2, `${seen.written} bytes left the server`);
      const reader = body.getReader();
      let size = 0;
      while (size < HUGE / 2) size += (await reader.read()).value.length;
      await reader.cancel();
    });

    test('an answer that breaks off is an error of its body', async () => {
      const response = await fetch(`${server.url}/cut`);
      await assert.rejects(response.text(), (error) => {
        assert.deepEqual([error.constructor, error.message], [TypeError, 'terminated']);
        assert.ok(error.cause instanceof LeatError);
        return true;
      });
    });
  });
}

test('who does not listen is told as undici tells it, and the engine\'s way', async () => {
  const server = await serve('1.1', () => {});
  await server.close();
  const fetch = createFetch();
  await rejectsFailed(fetch(server.url), { code: 'ECONNREFUSED' });
  await rejectsFailed(fetch('http://no-such-host.invalid/'), { code: /ENOTFOUND|EAI_AGAIN/ });
  await fetch.close();
  await rejectsFailed(fetch(server.url), { message: /closed/ });
});

test('deadlines have undici\'s codes', async () => {
  const silent = await serve('1.1', (request, response) => {
    if (request.url === '/idle') response.write('x');
  });
  const fetch = createFetch({ timeout: { head: 50, idle: 50 } });
  await rejectsFailed(fetch(silent.url), { code: 'UND_ERR_HEADERS_TIMEOUT' });
  const { body } = await fetch(`${silent.url}/idle`);
  await assert.rejects(new Response(body).text(), (error) => {
    assert.equal(error.cause.code, 'UND_ERR_BODY_TIMEOUT');
    return true;
  });
  await fetch.close();
  await silent.close();
});

test('what a few bytes decode to is made only as it is read', async () => {
  const grown = zlib.gzipSync(Buffer.alloc(HUGE));
  const server = await serve('1.1', (request, response) => {
    response.setHeader('content-encoding', 'gzip');
    response.end(grown);
  });
  const fetch = createFetch();
  const before = process.memoryUsage().arrayBuffers;
  const { body } = await fetch(server.url);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const held = process.memoryUsage().arrayBuffers - before;
  assert.ok(held < 4_000_000, `${held} bytes are held`);
  let size = 0;
  for await (const piece of body) size += piece.length;
  assert.equal(size, HUGE);
  await fetch.close();
  await server.close();
});

test('a key over plain http stays here, unless it is allowed', async () => {
  const fetch = createFetch();
  const headers = { authorization: 'Bearer secret-key' };
  await assert.rejects(fetch('http://192.0.2.1/', { headers }), (error) => {
    assert.doesNotMatch(`${error} ${error.cause} ${error.cause.message}`, /secret-key/);
    assert.match(error.cause.message, /unencrypted/);
    return true;
  });
  await fetch.close();
});
