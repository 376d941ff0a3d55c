/* What the suites talk to: Node's own servers, plain, over HTTP/1.1 and HTTP/2 (prior knowledge),
 * and the gateway of the program (`leat mock`) with TLS. All listen where the system chooses. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createServer2 } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = process.env.LEAT_PROGRAM ??
  fileURLToPath(new URL('../../../build/release/leat', import.meta.url));

/** A server that answers by `onRequest(request, response)`: { url, port, close(), sockets }. */
export async function serve(version, onRequest) {
  const sockets = new Set();
  const server = version === '2' ? createServer2(onRequest) : createServer(onRequest);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  const close = async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${port}`, port, sockets, close };
}

/** `leat mock` with these options: { url, port, ca, stop() }. It ends with this process. */
export async function startMock(...options) {
  const folder = mkdtempSync(join(tmpdir(), 'leat-node-'));
  const ca = join(folder, 'ca.pem');
  const port = options.includes('--port') ? [] : ['--port', '0'];
  const tls = options.includes('--plain') ? [] : ['--ca-out', ca];
  const child = spawn(PROGRAM, ['mock', '--quiet', ...port, ...tls, ...options],
    { stdio: ['ignore', 'pipe', 'ignore'] });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const [line] = await once(createInterface(child.stdout), 'line');
  const url = /https?:\/\/[^\s]+/.exec(line)[0];
  const stop = async (signal = 'SIGTERM') => {
    process.off('exit', kill);
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await once(child, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  };
  return { url, port: Number(new URL(url).port), ca, stop };
}

/** All of a request's body. */
export async function bodyOf(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Waits until `ready()` is true: an error names what was waited for. */
export async function until(ready, what, ms = 30_000) {
  const end = Date.now() + ms;
  while (!await ready()) {
    if (Date.now() > end) throw new Error(`${what} did not come in ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
