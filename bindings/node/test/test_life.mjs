/* Whose libraries are at work, how environments begin and end, and what is left behind. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import * as leat from 'leat';
import { native } from '../lib/native.js';
import { startMock, until } from './servers.mjs';

const run = promisify(execFile);
const EVENTS = 20;
const SANITIZED = Boolean(process.env.LEAT_SANITIZED); /* Node's libraries come first there */
setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');
const slow = { 'x-mock-gap-ms': '1000' };
let mock;

before(async () => {
  mock = await startMock('--ttft', '5ms', '--gap', '1ms', '--events', String(EVENTS));
});
after(() => mock.stop());

const options = () => ({ baseURL: mock.url, apiKey: 'k', caFile: mock.ca });

async function count(client) {
  let n = 0;
  for await (const event of client.chat('hi', { model: 'm' })) if (event.text) n++;
  return n;
}

/* ---- libraries */

test('nghttp2, zlib and llhttp are not those of Node, libuv is', { skip: SANITIZED }, () => {
  const node = basename(process.execPath);
  assert.match(native.where('nghttp2_session_mem_recv'), /libnghttp2[^/]*\.so/);
  assert.match(native.where('inflate'), /libz[^/]*\.so/);
  assert.match(native.where('llhttp_execute'), /(libllhttp[^/]*|libleat-node)\.so/);
  assert.match(basename(native.where('uv_run')), new RegExp(`^(${node}|libuv.*|libnode.*)$`));
  assert.equal(native.where('no_such_function'), '');
});

/* ---- ends of processes. A script sees `leat`, `client` and `open(n)`, which has n streams begun.
 */

async function script(text) {
  const url = new URL('../lib/index.js', import.meta.url).href;
  const whole = `
    const leat = await import(${JSON.stringify(url)});
    const client = new leat.Client(${JSON.stringify(options())});
    const open = (n) => Promise.all(Array.from({ length: n }, async () => {
      const stream = client.chat('hi', { model: 'm', headers: ${JSON.stringify(slow)} });
      await stream.next();
      return stream;
    }));
    ${text}`;
  const ran = await run(process.execPath, ['--expose-gc', '--input-type=module', '-e', whole],
    { timeout: 20_000 }).catch((failed) => failed);
  return { code: ran.code ?? 0, stdout: ran.stdout, stderr: ran.stderr };
}

for (const [what, text, code] of [
  ['a process ends with streams open', 'await open(50); process.exit(0);', 0],
  ['its exit code is kept', 'await open(5); process.exitCode = 3; process.exit();', 3],
  ['a client that is idle keeps no process', 'await client.complete("hi", { model: "m" });', 0],
  ['a client that was never used keeps none either', '', 0],
  ['cancelled streams keep none',
    'for (const stream of await open(50)) stream.cancel();', 0],
  ['neither does a client that is closed', 'const kept = await open(9); client.close();', 0],
]) {
  test(what, async () => {
    assert.deepEqual(await script(text), { code, stdout: '', stderr: '' });
  });
}

test('a stream that is read keeps the process until its end', async () => {
  const { code, stdout } = await script(
    'client.complete("hi", { model: "m" }).then(({ text }) => console.log(text.length > 100));');
  assert.deepEqual({ code, stdout }, { code: 0, stdout: 'true\n' });
});

test('a listener that throws ends the process as any uncaught exception', async () => {
  const { code, stderr } = await script(
    'client.chat("hi", { model: "m" }).each(() => { throw new Error("of mine"); });');
  assert.equal(code, 1);
  assert.match(stderr, /Error: of mine/);
});

test('a client that is let go of ends its engine', async () => {
  const { code, stdout, stderr } = await script(`
    const { readdirSync, readlinkSync } = await import('node:fs');
    const sockets = () => readdirSync('/proc/self/fd').filter((fd) => {
      try { return readlinkSync('/proc/self/fd/' + fd).startsWith('socket:'); }
      catch { return false; }
    }).length;
    const before = sockets();
    let clients = [];
    for (let i = 0; i < 5; i++) {
      clients.push(new leat.Client(${JSON.stringify(options())}));
      await clients[i].complete('hi', { model: 'm' });
    }
    const held = sockets();
    clients = null;
    for (let i = 0; i < 200 && sockets() > before; i++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    console.log(held - before, sockets() - before);`);
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '5 0\n', stderr: '' });
});

test('other runtimes are told that they cannot', async () => {
  const url = new URL('../lib/index.js', import.meta.url).href;
  const text = 'Object.defineProperty(process.versions, "bun", { value: "1.2.0" });' +
    `await import(${JSON.stringify(url)}).catch((error) => console.log(error.message));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', text]);
  assert.match(stdout, /^leat needs Node 22 or later: Bun has no libuv loop/);
});

/* ---- workers */

const WORK = `
  import { parentPort, workerData } from 'node:worker_threads';
  const leat = await import(workerData.url);
  const client = new leat.Client(workerData.options);
  const ask = async () => {
    let n = 0;
    const asked = { model: 'm', headers: workerData.headers };
    for await (const event of client.chat('hi', asked)) if (event.text) n++;
    return n;
  };
  if (workerData.holds) parentPort.postMessage((await client.chat('hi',
    { model: 'm', headers: workerData.headers }).next()).value.kind);
  const counts = await Promise.all(Array.from({ length: 20 }, ask));
  parentPort.postMessage(counts.reduce((a, b) => a + b));`;

function work(more = {}) {
  const url = new URL('../lib/index.js', import.meta.url).href;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(WORK)}`),
    { workerData: { url, options: options(), headers: {}, ...more } });
}

function ended(worker) {
  return new Promise((resolve, reject) => {
    worker.once('exit', resolve).once('error', reject);
  });
}

test('workers have engines of their own', async () => {
  const client = new leat.Client(options());
  const told = [];
  const codes = await Promise.all(Array.from({ length: 4 }, () => {
    const worker = work();
    worker.on('message', (sum) => told.push(sum));
    return ended(worker);
  }));
  assert.deepEqual(codes, [0, 0, 0, 0]);
  assert.deepEqual(told, Array(4).fill(20 * EVENTS));
  assert.equal(await count(client), EVENTS);
  await client.close();
});

test('a worker is terminated with streams open, again and again', async () => {
  for (let i = 0; i < 5; i++) {
    const worker = work({ headers: slow, holds: true });
    const message = new Promise((resolve) => { worker.once('message', resolve); });
    assert.equal(await message, 'head');
    assert.equal(await worker.terminate(), 1);
  }
  const client = new leat.Client(options());
  assert.equal(await count(client), EVENTS);
  await client.close();
});

/* ---- what is left behind */

const descriptors = () => readdirSync('/proc/self/fd').length;

async function rounds(client, n) {
  for (let i = 0; i < n; i++) {
    await Promise.all(Array.from({ length: 50 }, () => count(client)));
    const stream = client.chat('hi', { model: 'm' });
    await stream.next();
    stream.cancel();
    const refused = { model: 'm', headers: { 'x-mock-fault': 'status=400' } };
    await assert.rejects(client.complete('hi', refused), leat.StatusError);
  }
}

test('nothing is left behind', async () => {
  const client = new leat.Client(options());
  await rounds(client, 10);
  const used = () => {
    gc();
    gc();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = used();
  await rounds(client, 40);
  const grown = used() - before;
  assert.ok(grown < 400_000, `${grown} bytes more`);
  assert.ok(client.engine.exchanges.length < 100);
  await client.close();
});

test('descriptors are given back', async () => {
  const use = async () => {
    const client = new leat.Client(options());
    await rounds(client, 2);
    await client.close();
  };
  await use();
  const before = descriptors();
  for (let i = 0; i < 5; i++) await use();
  await until(() => descriptors() <= before, 'the end of all descriptors');
});
