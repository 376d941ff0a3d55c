// The WebSocket library `ws` of Node, as an echo and saying chats: a gateway of a few lines.
//
// usage: node wschats.mjs PORT FOLDER_WITH_CERTIFICATE [plain]
// /echo returns every message as it came. /v1/chat/ws?n=N&ms=M&ttft=T answers each ChatRequest with
// N pieces of content M ms apart, the first after T, then a finish. GET /stats counts sockets,
// messages, and the most sockets at once. The library is Debian's, wherever this Node looks.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const { WebSocketServer } = createRequire(import.meta.url)('/usr/share/nodejs/ws');
const [port, folder, plain] = process.argv.slice(2);
const seen = { sockets: 0, messages: 0, open: 0, peak: 0, codes: {} };

function chunk(delta, finish = null) {
  return JSON.stringify({
    id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm',
    choices: [{ index: 0, delta, finish_reason: finish }],
  });
}

async function say(socket, query) {
  const number = (name, otherwise) => Number(query.get(name) ?? otherwise);
  await sleep(number('ttft', 1));
  for (let i = 0; i < number('n', 10); i++) {
    if (i > 0) await sleep(number('ms', 1));
    socket.send(chunk({ content: `word ${i} ` }));
  }
  socket.send(chunk({}, 'stop'));
}

function answer(request, response) {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(seen));
}

const pem = (name) => readFileSync(join(folder, name));
const server = plain ? createServer(answer)
  : createSecureServer({ cert: pem('cert.pem'), key: pem('key.pem') }, answer);
const sockets = new WebSocketServer({ server, perMessageDeflate: true });
sockets.on('connection', (socket, request) => {
  const url = new URL(request.url, 'http://localhost');
  seen.sockets++;
  seen.peak = Math.max(seen.peak, ++seen.open);
  socket.on('error', () => {});
  socket.on('close', (code) => {
    seen.open--;
    seen.codes[code] = (seen.codes[code] ?? 0) + 1;
  });
  socket.on('message', (message, binary) => {
    seen.messages++;
    if (url.pathname === '/echo') socket.send(message, { binary });
    else say(socket, url.searchParams);
  });
});
server.listen({ port: Number(port), host: '127.0.0.1', backlog: 2048 },
  () => console.log(`listening on ${port}`));
