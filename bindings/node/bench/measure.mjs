/* What an event costs a Node program: process CPU of all threads, beside undici's fetch and under
 * the official SDK.
 *
 * Each client runs in a process of its own against one `leat mock`: so many streams at once, each
 * of so many events, one every 20 ms. The cost of an event is the difference between a long and a
 * short run, so that start and connecting do not hide in it; rounds take turns, and the median
 * counts.
 *
 * usage: LEAT_PEERS=FOLDER node measure.mjs [--streams N] [--events N] [--rounds N]
 *          [--clients NAME,...] [--program FILE] [--profile FOLDER]
 * LEAT_PEERS is where `npm install openai @anthropic-ai/sdk undici` ran. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const SHORT_SHARE = 4;
const TIMEOUT_MS = 120_000;
const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const { values: options } = parseArgs({
  options: {
    streams: { type: 'string', default: '500' },
    events: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '3' },
    clients: {
      type: 'string',
      default: 'fetch,undici-2,leat-2,leat-1.1,openai,openai-undici-2,openai-leat-2,' +
        'openai-leat-1.1',
    },
    program: { type: 'string', default: file('../../../build/release/leat') },
    profile: { type: 'string' },
  },
});
const streams = Number(options.streams);
const events = Number(options.events);
const short = Math.max(1, Math.floor(events / SHORT_SHARE));

/* What leat promises: [client, peer, at most this share of it]. */
const TARGETS = [
  ['leat-2', 'fetch', 0.4],
  ['leat-1.1', 'fetch', 0.65],
  ['openai-leat-2', 'openai', 1 / 1.3],
  ['openai-leat-1.1', 'openai', 1],
];

async function startMock(folder) {
  const ca = join(folder, 'ca.pem');
  const mock = spawn(options.program, ['mock', '--port', '0', '--quiet', '--ca-out', ca],
    { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = await once(createInterface(mock.stdout), 'line');
  return { mock, ca, url: /https:\/\/\S+/.exec(line)[0] };
}

function measure(name, gateway, n) {
  const profile = options.profile && n === events
    ? ['--cpu-prof', `--cpu-prof-dir=${options.profile}`, `--cpu-prof-name=${name}.cpuprofile`]
    : [];
  const said = execFileSync(process.execPath,
    [...profile, file('clients.mjs'), name, gateway.url, gateway.ca, String(streams), String(n)],
    { encoding: 'utf8', timeout: TIMEOUT_MS, stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_EXTRA_CA_CERTS: gateway.ca } });
  return JSON.parse(said);
}

function compare(gateway) {
  const costs = new Map();
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const name of options.clients.split(',')) {
      const low = measure(name, gateway, short);
      const high = measure(name, gateway, events);
      const us = (high.cpu - low.cpu) / streams / (events - short);
      if (!costs.has(name)) costs.set(name, []);
      costs.get(name).push({ us, mb: high.kb / 1024, wall: high.wall / 1000 });
    }
  }
  return costs;
}

const medianOf = (rows, field) =>
  rows.map((row) => row[field]).sort((a, b) => a - b)[Math.floor(rows.length / 2)];

function report(costs) {
  const us = new Map();
  for (const [name, rows] of costs) {
    us.set(name, medianOf(rows, 'us'));
    const [cost, mb, wall] = ['us', 'mb', 'wall'].map((field) => medianOf(rows, field).toFixed(2));
    console.log(`${name.padEnd(20)} ${cost.padStart(8)} us/event ${mb.padStart(9)} MB ` +
      `${wall.padStart(8)} s`);
  }
  for (const [name, other, most] of TARGETS) {
    if (!us.has(name) || !us.has(other)) continue;
    const share = us.get(name) / us.get(other);
    console.log(`${name} / ${other}: ${share.toFixed(2)} (at most ${most.toFixed(2)}: ` +
      `${share <= most ? 'met' : 'missed'})`);
  }
}

const folder = mkdtempSync(join(tmpdir(), 'leat-bench-'));
const gateway = await startMock(folder);
try {
  report(compare(gateway));
} finally {
  gateway.mock.kill();
  rmSync(folder, { recursive: true });
}
