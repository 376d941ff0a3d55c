/* WebSockets: messages both ways, room to send, closing, and turns of a dialect. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import * as leat from 'leat';
import { startMock, until } from './servers.mjs';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'; /* RFC 6455 1.3 */
let mock;
let client;

before(async () => {
  mock = await startMock('--ttft', '5ms', '--gap', '1ms', '--events', '20');
  client = new leat.Client({ baseURL: mock.url, apiKey: 'k', caFile: mock.ca });
});
after(async () => {
  await client.close();
  await mock.stop();
});

const echo = () => `${mock.url.replace('https', 'wss')}/ws/echo`;

test('messages come back whole', async () => {
  const socket = client.ws(echo());
  const sent = ['hi', Buffer.from([0, 255]), '', 'wörter 😀', 'x'.repeat(3_000_000),
    new Uint8Array(100_000).fill(121)];
  for (const message of sent) {
    await socket.send(message);
    const back = await socket.receive();
    if (typeof message === 'string') assert.equal(back, message);
    else assert.deepEqual(Buffer.from(back), Buffer.from(message));
  }
  await socket[Symbol.asyncDispose]();
  assert.equal(socket.closeCode, 1000);
  await assert.rejects(socket.send('late'), leat.LeatError);
  assert.equal(await socket.receive(), null);
});

test('messages are iterated over until the close', async () => {
  const socket = client.ws(echo());
  for (const message of ['a', 'b', 'c']) await socket.send(message);
  const heard = [];
  for await (const message of socket.messages()) {
    heard.push(message);
    if (heard.length === 3) socket.exchange.sendClose(1000, '');
  }
  assert.deepEqual(heard, ['a', 'b', 'c']);
});

/* A server that takes the handshake and reads no more until it is told to. */
async function deafServer() {
  const sockets = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.once('data', (head) => {
      const key = /sec-websocket-key: *(\S+)/i.exec(head.toString())[1];
      const accept = createHash('sha1').update(key + GUID).digest('base64');
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n' +
        `Connection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
      socket.pause();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, sockets, url: `ws://127.0.0.1:${server.address().port}/` };
}

test('a sender waits for room', async (t) => {
  const deaf = await deafServer();
  const free = new leat.Client();
  t.after(() => free.close());
  const socket = free.ws(deaf.url);
  assert.equal((await socket.next()).value.kind, 'head');
  const piece = new Uint8Array(100_000);
  let sent = 0;
  let waits = null;
  while (sent < 1000 && !waits) {
    const going = socket.send(piece).then(() => true);
    const settled = await Promise.race([going, new Promise((r) => setTimeout(r, 300, false))]);
    if (settled) sent++;
    else waits = going;
  }
  assert.ok(sent > 5 && sent < 1000, `${sent} were taken`);
  deaf.sockets[0].resume();
  await waits;
  for (let i = 0; i < 50; i++) await socket.send(piece);
  socket.cancel();
  await socket.finished();
  deaf.server.close();
  deaf.sockets[0].destroy();
});

test('what is refused says so', async () => {
  const nowhere = client.ws(`${mock.url.replace('https', 'wss')}/nowhere`);
  await assert.rejects(nowhere.receive(), leat.LeatError);
  await assert.rejects(client.ws('ws://127.0.0.1:1/').receive(), leat.ConnectError);
  await assert.rejects(client.ws('ftp://a.example/').receive(), leat.UsageError);
});

test('a signal ends a socket', async () => {
  const controller = new AbortController();
  const socket = client.ws(echo(), { signal: controller.signal });
  await socket.send('x');
  assert.equal(await socket.receive(), 'x');
  const waits = socket.receive();
  controller.abort();
  await assert.rejects(waits, { name: 'AbortError' });
});

test('turns run on a socket', async (t) => {
  const turns = new leat.Client({ baseURL: mock.url, apiKey: 'k', caFile: mock.ca,
    protocol: 'responses-ws' });
  t.after(() => turns.close());
  const socket = turns.ws(undefined, { protocol: 'responses-ws' });
  const ask = () => turns.complete('hi', { model: 'm', protocol: 'responses-ws', socket });
  for (let i = 0; i < 3; i++) assert.ok((await ask()).text.length > 100);
  await socket.close();
  assert.equal(turns.stats().connsOpened, 1);
  await assert.rejects(ask(), leat.LeatError);
  await until(() => turns.stats().requestsLive === 0, 'the end of all');
});
