/* The addon, loaded once in each environment: a prebuilt one of the package, or the one that was
 * built at its installation. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

if (process.versions.bun || process.versions.deno) {
  const name = process.versions.bun ? 'Bun' : 'Deno';
  throw new Error(`leat needs Node 22 or later: ${name} has no libuv loop that it could live on`);
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function findAddon() {
  const places = [
    join(root, 'prebuilt', `${process.platform}-${process.arch}`, 'leat.node'),
    join(root, 'build', 'leat.node'),
  ];
  if (process.env.LEAT_NODE_ADDON) places.unshift(process.env.LEAT_NODE_ADDON);
  const found = places.find((place) => existsSync(place));
  if (found) return found;
  throw new Error(`leat's addon is not built: there is none of ${places.join(', ')}; ` +
    `run npm install in ${root}`);
}

export const native = createRequire(import.meta.url)(findAddon());
