/* What tests and benches run against and is no part of the package: the official SDKs and undici,
 * from the folder that LEAT_PEERS names, into which npm installed them. */
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const folder = process.env.LEAT_PEERS;
const require = createRequire(folder ? join(resolve(folder), 'peers.js') : import.meta.url);

/** The module, or null where it is not installed. */
export function peer(name) {
  try {
    return require(name);
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') return null;
    throw error;
  }
}
