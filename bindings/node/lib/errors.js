/* Errors: one class for each of the engine's classes of errors. What one says never has a key. */

/** A request, a task or a call failed. `name` is the C library's name of the error, such as
 * "LEAT_ETRUNCATED"; `text` is what choice 0 had said by then. */
export class LeatError extends Error {
  constructor(message, ending = undefined) {
    super(message);
    this.text = '';
    Object.defineProperty(this, 'ending', { value: ending, enumerable: false });
  }

  /** The error of an ending, of the class that fits it. */
  static of(ending) {
    const Kind = KINDS[ending.class] ?? LeatError;
    const error = new Kind(ending.message, ending);
    const { name, layer, status, native, requestId, body, retryable, maybeRanTwice } = ending;
    const { providerType, providerCode, providerMessage, attempts, retryAfterMs } = ending;
    Object.defineProperty(error, 'name',
      { value: name, enumerable: false, writable: true, configurable: true });
    Object.assign(error, { layer, status, native, requestId, body, retryable, maybeRanTwice });
    Object.assign(error, { providerType, providerCode, providerMessage, attempts });
    error.retryAfter = retryAfterMs < 0 ? null : retryAfterMs / 1000;
    return error;
  }
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

/* By enum leat_class. */
const KINDS = [LeatError, UsageError, CancelledError, SupersededError, LimitError, ResolveError,
  ConnectError, TLSError, HTTPError, DeadlineError, StatusError, StreamError, TaskError];
