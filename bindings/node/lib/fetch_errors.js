/* What fetch rejects with: TypeErrors as undici's, so that code which looks at them finds what it
 * looks for, with the engine's error as their cause. */
import { LeatError } from './errors.js';

/* undici's codes, and those of Node's sockets, for the engine's names. */
const CODES = {
  LEAT_ERESOLVE: 'ENOTFOUND', LEAT_ERESOLVEAGAIN: 'EAI_AGAIN', LEAT_EREFUSED: 'ECONNREFUSED',
  LEAT_EUNREACHABLE: 'EHOSTUNREACH', LEAT_EFDLIMIT: 'EMFILE', LEAT_ECONNTIMEOUT:
  'UND_ERR_CONNECT_TIMEOUT', LEAT_EDNSTIMEOUT: 'UND_ERR_CONNECT_TIMEOUT', LEAT_EHEADTIMEOUT:
  'UND_ERR_HEADERS_TIMEOUT', LEAT_EIDLETIMEOUT: 'UND_ERR_BODY_TIMEOUT', LEAT_ERESET:
  'UND_ERR_SOCKET', LEAT_ETRUNCATED: 'UND_ERR_SOCKET', LEAT_EUNCERTAIN: 'UND_ERR_SOCKET',
  LEAT_EHEADERSMAX: 'UND_ERR_HEADERS_OVERFLOW', LEAT_ESOURCE: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
};

/** What to reject with: `ending` is an exchange's, or the LeatError that refused it; `own` what the
 * request's body failed with. */
export function failure(ending, own, begun) {
  const cause = own ?? (ending instanceof Error ? ending : LeatError.of(ending));
  if (CODES[cause.name] && cause.code === undefined) cause.code = CODES[cause.name];
  return new TypeError(begun ? 'terminated' : 'fetch failed', { cause });
}
