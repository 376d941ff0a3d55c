/* Errors: one class for each of the engine's classes of errors. */
import type { Ending } from "./engine.js";

/** A request, a task or a call failed. What it says never has a key. */
export class LeatError extends Error {
  static of(ending: Ending): LeatError;
  /** The C library's name, such as "LEAT_ETRUNCATED". */
  name: string;
  /** What choice 0 had said by then. */
  text: string;
  readonly layer: string;
  readonly status: number;
  readonly native: number;
  readonly requestId: string;
  readonly body: Uint8Array;
  readonly retryable: boolean;
  readonly maybeRanTwice: boolean;
  readonly providerType: string;
  readonly providerCode: string;
  readonly providerMessage: string;
  readonly attempts: number;
  /** The server's wish in seconds, null: none. */
  readonly retryAfter: number | null;
  /** All that is known of how it ended. */
  readonly ending: Ending;
  /** As the cause of what fetch rejects with: the word that undici and Node have for it. */
  code?: string;
}

/** The call itself is wrong: nothing was sent. */
export class UsageError extends LeatError {}
/** Someone asked for the end of it, such as whoever closed the client. */
export class CancelledError extends LeatError {}
/** A newer request of its lane took its place. */
export class SupersededError extends LeatError {}
/** A limit of this engine or this process. */
export class LimitError extends LeatError {}
/** The host's name cannot be resolved. */
export class ResolveError extends LeatError {}
/** No connection, or it was lost before an answer. */
export class ConnectError extends LeatError {}
/** A certificate, a handshake or a record. */
export class TLSError extends LeatError {}
/** The peer does not speak HTTP properly. */
export class HTTPError extends LeatError {}
/** A deadline passed; `name` says which. */
export class DeadlineError extends LeatError {}
/** The provider refused: see `status`, `providerMessage` and `retryable`. */
export class StatusError extends LeatError {}
/** The answer is not whole; `text` is what had come of it. */
export class StreamError extends LeatError {}
/** A task ended otherwise than well. */
export class TaskError extends LeatError {}
