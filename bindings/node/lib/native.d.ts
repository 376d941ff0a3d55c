/* What the addon (build/leat.node) exports. Only lib/engine.js talks to it; everything else, leat's
 * fetch included, stands on that module's Engine, Exchange and Sink (engine.d.ts).
 *
 * How things are delivered. The engine lives on Node's own loop. What its callbacks tell is copied
 * into one list of records, and once a turn of the loop, behind all sockets that were read in it,
 * `deliver` is called inside one callback scope: once, with all records of all exchanges. A list
 * of more than 8,192 records, or of 1 MiB, is delivered in several calls of the same scope.
 *
 * Who owns what. `words` belongs to the addon and is valid during the call only. `text` is a string
 * as any other. `slab` is an ArrayBuffer of which no byte is written again once it was delivered:
 * views of it may be kept, but keep all of it alive (64 KiB at most, larger pieces have one of
 * their own), and as other exchanges have views of it, too, it is marked untransferable: copy
 * (`slice`) what is to be transferred. */

import type { ConfigFields, Ending, RequestFields, SocketFields, TaskFields } from "./engine.js";

/** Words of one record, all 32 bits wide. */
export interface RecordLayout {
  slot: 0; /* of the exchange */
  kind: 1; /* enum leat_event_kind or one of `kinds` */
  choice: 2; /* or: a head's status, a message's type, a close code */
  at: 3; /* where its text begins in `text`, in UTF-16 units; its bytes in `slab`; -1: none here */
  size: 4; /* how long it is there */
  extra: 5; /* its place in `extras`, -1: it has none */
  attempt: 6;
  nsLow: 7; /* received_ns */
  nsHigh: 8;
  words: 9; /* in all */
}

export type Deliver = (
  count: number,
  words: Int32Array,
  text: string,
  slabs: ArrayBuffer[],
  extras: unknown[],
) => void;

/** A native exchange, by its slot; 0 is never one. A stale slot is harmless. */
export interface NativeEngine {
  submit(slot: number, fields: RequestFields): void; /* throws an Ending-like object */
  task(slot: number, fields: TaskFields): void;
  socket(slot: number, fields: SocketFields): void;
  cancel(slot: number): void;
  pause(slot: number): void;
  resume(slot: number): void;
  write(slot: number, chunk: Uint8Array | string): boolean;
  finish(slot: number): void;
  fail(slot: number): void;
  send(slot: number, message: Uint8Array | string): boolean;
  sendClose(slot: number, code: number, reason: string): void;
  stats(): Record<string, number>;
  metrics(): string;
  close(now: boolean): void; /* the last call of `deliver` has a record of slot 0 */
}

export interface Native {
  version: string;
  Engine: new (config: ConfigFields, deliver: Deliver, endpoints?: string) => NativeEngine;
  raise(error: unknown): void; /* as an uncaughtException */
  where(symbol: string): string; /* which file a symbol of the engine comes from, for tests */
  errors: Record<string, number>;
}

export type { Ending };
