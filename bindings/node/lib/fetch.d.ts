/* fetch over the engine: see fetch.js. */

import type { ClientOptions } from './index.js';

type FetchInput = Parameters<typeof globalThis.fetch>[0];
type FetchInit = Parameters<typeof globalThis.fetch>[1];

/** The standard's fetch: the global Response, promises and errors. Takes the place of the global
 * one, and of the `fetch` option of the official SDKs. */
export interface Fetch {
  (input: FetchInput, init?: FetchInit): Promise<Response>;
  /** The engine's counters, by the names of leat_stats in camelCase. */
  stats(): Record<string, number>;
  /** Ends its connections. Requests run to their ends first, unless `now`; new ones are refused. */
  close(now?: boolean): Promise<void>;
}

/** A client's options, as far as they are about connections: `http`, `timeout`, `connsMax`,
 * `caFile`, `proxy`, `allowPlainKey` and their like. `timeout.total` counts until the last byte. */
export type FetchOptions = Pick<ClientOptions, Extract<keyof ClientOptions,
  | 'http' | 'timeout' | 'proxy' | 'noProxy' | 'caFile' | 'caPem' | 'insecure' | 'certFile'
  | 'keyFile' | 'resolve' | 'connsMax' | 'h2ConnsMax' | 'h2StreamsMax' | 'handshakesMax'
  | 'queueMax' | 'headerBytesMax' | 'allowPlainKey' | 'coalesce'>>;

/** A fetch with connections of its own. */
export function createFetch(options?: FetchOptions): Fetch;

/** One with the defaults; its engine is made when it is first used. */
export const fetch: Fetch;
