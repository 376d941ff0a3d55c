// Node's own http2 module, saying chats: a gateway of a few lines that nobody tuned for the client.
//
// usage: node h2chats.mjs PORT FOLDER_WITH_CERTIFICATE [refuse=N] [close=N]
// POST any path?n=N&ms=M&ttft=T: N pieces of content M ms apart, the first after T, then a finish;
// 422 when the body's SHA-256 is not what the header x-body-sha256 says. &early=STATUS: answered so
// when the head is there, the body is never read, and RST_STREAM(NO_ERROR) follows; 200 is a chat.
// &mute=1: neither read nor answered.
// refuse=N: the first N streams are reset with REFUSED_STREAM. close=N: a session says GOAWAY
// behind its Nth stream, and serves what it has. GET /stats counts sessions, streams, and the most
// of them at once.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { constants, createSecureServer } from 'node:http2';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const [port, folder, ...options] = process.argv.slice(2);
const pem = (name) => readFileSync(join(folder, name));
const limits = { refuse: 0, close: Infinity };
for (const option of options) {
  const [name, value] = option.split('=');
  limits[name] = Number(value);
}
const seen = { sessions: 0, streams: 0, open: 0, peak: 0, refused: 0, goaways: 0 };

function chunk(delta, finish = null) {
  return `data: ${JSON.stringify({
    id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm',
    choices: [{ index: 0, delta, finish_reason: finish }],
  })}\n\n`;
}

async function say(stream, query) {
  const number = (name, otherwise) => Number(query.get(name) ?? otherwise);
  stream.respond({ ':status': 200, 'content-type': 'text/event-stream' });
  await sleep(number('ttft', 1));
  for (let i = 0; i < number('n', 10); i++) {
    if (i > 0) await sleep(number('ms', 1));
    if (stream.destroyed) return;
    if (!stream.write(chunk({ content: `word ${i} ` })))
      await new Promise((go) => stream.once('drain', go).once('close', go));
  }
  stream.end(`${chunk({}, 'stop')}data: [DONE]\n\n`);
}

function sayEarly(stream, status) {
  stream.on('finish', () => stream.close(constants.NGHTTP2_NO_ERROR));
  if (status !== 200) {
    stream.respond({ ':status': status }, { endStream: true });
    return;
  }
  stream.respond({ ':status': 200, 'content-type': 'text/event-stream' });
  stream.end(`${chunk({ content: 'early' })}${chunk({}, 'stop')}data: [DONE]\n\n`);
}

// Says the chat behind the body's end, unless that is another body than was promised.
function hear(stream, promised, query) {
  const hash = createHash('sha256');
  stream.on('data', (bytes) => hash.update(bytes));
  stream.on('end', () => {
    if (promised && hash.digest('hex') !== promised) {
      stream.respond({ ':status': 422 }, { endStream: true });
      return;
    }
    say(stream, query).catch(() => stream.destroy());
  });
}

const server = createSecureServer({
  cert: pem('cert.pem'), key: pem('key.pem'), settings: { maxConcurrentStreams: 250 },
});
server.on('session', (session) => {
  session.count = 0;
  seen.sessions++;
});
server.on('stream', (stream, headers) => {
  const url = new URL(headers[':path'], 'https://localhost');
  stream.on('error', () => {});
  if (url.pathname === '/stats') {
    stream.respond({ ':status': 200, 'content-type': 'application/json' });
    stream.end(JSON.stringify(seen));
    return;
  }
  if (seen.refused < limits.refuse) {
    seen.refused++;
    stream.close(constants.NGHTTP2_REFUSED_STREAM);
    return;
  }
  seen.streams++;
  seen.peak = Math.max(seen.peak, ++seen.open);
  stream.on('close', () => seen.open--);
  if (++stream.session.count === limits.close) {
    seen.goaways++;
    stream.session.close();
  }
  const query = url.searchParams;
  if (query.get('early')) sayEarly(stream, Number(query.get('early')));
  else if (!query.get('mute')) hear(stream, headers['x-body-sha256'], query);
});
server.on('sessionError', () => {});
server.listen(Number(port), '127.0.0.1', () => console.log(`listening on ${port}`));
