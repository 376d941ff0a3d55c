// Node's own https server, replaying recorded response bodies in pieces of an odd size.
//
// usage: node replay.mjs PORT FOLDER_WITH_CERTIFICATE FOLDER_WITH_BODIES
// POST /replay?name=N&size=S&end=E&type=T answers the bytes of FOLDER/N.body, S at a time, each
// piece a write of its own (0: all in one). E: chunked (default), length (Content-Length), close
// (the connection's end is the body's), cut (all bytes, then the connection is destroyed).
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { basename, join } from 'node:path';

const [port, certificates, bodies] = process.argv.slice(2);
const pem = (name) => readFileSync(join(certificates, name));

// One turn of the loop between two pieces, or the drain when the socket is full.
async function writePieces(response, body, size) {
  for (let at = 0; at < body.length; at += size) {
    const room = response.write(body.subarray(at, at + size));
    await new Promise((go) => (room ? setImmediate(go) : response.once('drain', go)));
  }
}

async function replay(request, query, response) {
  const body = readFileSync(join(bodies, `${basename(query.get('name'))}.body`));
  const size = Number(query.get('size')) || body.length || 1;
  const end = query.get('end') ?? 'chunked';
  response.setHeader('Content-Type', query.get('type') ?? 'text/event-stream');
  if (end === 'length') response.setHeader('Content-Length', body.length);
  if (end === 'close') {
    response.useChunkedEncodingByDefault = false;
    response.setHeader('Connection', 'close');
    response.removeHeader('Transfer-Encoding');
  }
  request.socket.setNoDelay(true);
  await writePieces(response, body, size);
  if (end === 'cut') response.destroy();
  else response.end();
}

const server = createServer({ cert: pem('cert.pem'), key: pem('key.pem') }, (request, response) => {
  const url = new URL(request.url, 'https://localhost');
  request.resume();
  request.on('end', () => {
    replay(request, url.searchParams, response).catch((error) => {
      console.error(error.message);
      response.destroy();
    });
  });
});
server.listen(Number(port), '127.0.0.1', () => console.log(`listening on ${port}`));
