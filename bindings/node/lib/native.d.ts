/* What the addon (build/leat.node) exports. Only lib/engine.js talks to it; everything else, leat's
 * fetch included, stands on that module's Engine, Exchange and Sink (engine.d.ts).
 *
 * How things are delivered. The engine lives on Node's own loop. What its callbacks tell is copied
 * into one list of records, and once a turn of the loop, behind all sockets that were read in it,
 * `deliver` is called inside one callback scope, in the engine's asynchronous context, with all
 * records and endings of all exchanges. What promises and callbacks do with them runs in the
 * context of whoever waits, or of each() (stream.js).
 *
 * Who owns what. `words` belongs to the addon and is valid during the call only. `text` is a string
 * as any other. A slab is an ArrayBuffer of which no byte is written again once it was delivered:
 * views of it may be kept, but keep all of it alive (64 KiB; pieces above 8 KiB have one of their
 * own). As other exchanges have views of it, too, a shared one is marked untransferable. */

import type { ConfigFields, Ending, RequestFields, SocketFields, TaskFields } from "./engine.js";

/** Words of one record, all 32 bits wide. */
export interface RecordLayout {
  slot: 0; /* of the exchange */
  kind: 1; /* enum leat_event_kind, or from 64 on src/turn.h's; flags from bit 8 on */
  choice: 2; /* or: a head's status, a message's type, a close code */
  at: 3; /* where its text begins in `text`, its bytes in their slab, or a number of its kind */
  size: 4; /* how long it is there; -1: its values are in `extras` */
  extra: 5; /* the first of its values in `extras`, -1: it has none; of bytes their slab's place */
  attempt: 6;
  nsLow: 7; /* received_ns */
  nsHigh: 8;
  lag: 9; /* received_ns - segment_ns, -1: not known */
  words: 10; /* in all */
}

/** `text` has short ASCII texts, joined: V8 copies substrings of up to 12 units, while longer ones
 * would keep all of it. `endings` are slots and their endings in turn. */
export type Deliver = (
  count: number,
  words: Int32Array,
  text: string,
  slabs: ArrayBuffer[],
  extras: unknown[],
  endings: (number | Ending)[],
  gone: boolean,
) => void;

/** What of a request goes another way than in engine.d.ts. */
export interface NativeFields extends Omit<RequestFields, "upload" | "socket"> {
  upload?: boolean;
  uploadSize?: number;
  socketSlot?: number;
}

/** Exchanges are known by slots that JavaScript chooses, from 1 on; a stale one is harmless. What
 * is refused throws an Ending, or a TypeError for what is no option. */
export interface NativeEngine {
  submit(slot: number, fields: NativeFields): void;
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
  close(now: boolean): void; /* the last `deliver` says that it is gone */
}

export interface Native {
  version: string;
  /** `deliver` is held weakly while nothing is pending: the engine's owner must have it. */
  Engine: new (config: ConfigFields, deliver: Deliver, endpoints?: string) => NativeEngine;
  raise(error: unknown): void; /* as an uncaughtException */
  where(symbol: string): string; /* which file a function of the engine's libraries is from */
}
