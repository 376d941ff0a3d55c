/* The engine as the other modules see it: exchanges that are submitted, and sinks that are told.
 *
 * Grammar of a sink, for every submit that did not throw:
 *     head? (event | data | room)* done
 * `done` comes exactly once and last, never from inside submit or another call of an exchange, but
 * from the loop. After cancel() nothing comes but done, with the name LEAT_ECANCELLED. What a sink
 * throws becomes an uncaughtException, and the others are told all the same. */

/** Milliseconds; -1 switches one off; see leat_deadlines in leat.h. */
export interface Deadlines {
  dnsMs?: number;
  connectMs?: number;
  headMs?: number;
  firstMs?: number;
  gapMs?: number;
  idleMs?: number;
  queueMs?: number;
  totalMs?: number;
}

/** Fields are those of leat_request with camelCase names; undefined and null count as not given. */
export interface RequestFields {
  protocol?: string; /* "raw": any HTTP exchange */
  method?: string; /* raw */
  baseUrl?: string; /* raw: the whole address, with path and query */
  path?: string;
  apiKey?: string;
  headers?: string[]; /* flat: name, value, name, value; latin1 or UTF-8 alike are sent as UTF-8 */
  http?: 0 | 1 | 2;
  deadlines?: Deadlines;
  retries?: number; /* -1: none */
  once?: boolean;
  wantRaw?: boolean; /* records come as events of the kind "raw" */
  chat?: Record<string, unknown>;
  body?: string | Uint8Array; /* copied before submit returns */
  upload?: { size?: number }; /* instead of `body`: comes by exchange.write; size when known */
  source?: { path: string }; /* or from a file */
  form?: FormField[];
  model?: string;
  stream?: boolean;
  endpoint?: string;
  params?: string[]; /* flat, as headers */
  auth?: number;
  lane?: string;
  laneWeight?: number;
  priority?: number;
  supersede?: boolean;
  tokens?: number;
  socket?: number; /* slot of a socket whose next turn this is */
}

export interface FormField {
  name: string;
  value?: string | Uint8Array;
  source?: { path: string };
  filename?: string;
  contentType?: string;
}

export type TaskFields = Record<string, unknown>; /* leat_task */
export type SocketFields = Record<string, unknown>; /* leat_ws */
export type ConfigFields = Record<string, unknown>; /* leat_config */

/** How an exchange ended. Names are those of leat_result. */
export interface Ending {
  error: number; /* 0: well */
  name: string; /* "LEAT_OK", "LEAT_ECONNTIMEOUT" ... */
  class: number; /* enum leat_class */
  layer: string;
  native: number;
  message: string; /* one line, secrets masked */
  status: number; /* 0: none came */
  providerType: string;
  providerCode: string;
  providerMessage: string;
  requestId: string;
  body: Uint8Array; /* the first bytes of a refused answer; own memory */
  retryable: boolean;
  maybeRanTwice: boolean;
  retryAfterMs: number; /* -1: none */
  attempts: number;
  redirects: number;
  bytesReceived: number;
  events: number;
  http: 0 | 1 | 2;
  tls: 0 | 12 | 13;
  reusedConnection: boolean;
  resumedTls: boolean;
  closeCode?: number; /* of a socket */
  [more: string]: unknown;
}

export interface Sink {
  /** Raw exchanges, and others' heads. `headers` is flat and in the order received. */
  head?(status: number, headers: string[]): void;
  /** Raw exchanges: a piece of the body as it came, no content-coding undone. A view of memory that
   * may be kept and read, but not written, and of which small ones refuse to be transferred: see
   * native.d.ts. */
  data?(chunk: Uint8Array): void;
  /** Decoded events; not for raw exchanges. */
  event?(event: import("./index.js").Event): void;
  /** write() or send() had said false: more may come. */
  room?(): void;
  done(ending: Ending): void;
}

export interface Exchange {
  readonly slot: number;
  readonly ended: boolean;
  cancel(): void; /* without effect after done */
  /** At most one more turn's pieces come before it takes effect, 256 KiB at most. */
  pause(): void;
  resume(): void;
  /** Request body of `upload`: copied; false: wait for sink.room() before the next one (256 KiB
   * wait; a piece that is written nevertheless throws a RangeError once 256 KiB do). */
  write(chunk: Uint8Array | string): boolean;
  finish(): void; /* the body is whole */
  fail(): void; /* the body's source failed: done comes with LEAT_ESOURCE */
}

export class Engine {
  constructor(config: ConfigFields, endpoints?: string);
  /** Throws a LeatError (errors.js) when it is refused at once; nothing comes then. */
  submit(fields: RequestFields, sink: Sink): Exchange;
  task(fields: TaskFields, sink: Sink): Exchange;
  socket(fields: SocketFields, sink: Sink): Exchange & {
    send(message: Uint8Array | string): boolean;
    sendClose(code: number, reason: string): void;
  };
  stats(): Record<string, number>;
  metrics(): string;
  /** Resolves when it is gone; drains first unless `now`. An engine without exchanges keeps no
   * process alive, so that this need not be called. */
  close(now?: boolean): Promise<void>;
}
