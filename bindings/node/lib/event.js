/* Events: what a record of the addon becomes. The common one is a kind, a choice and a piece of
 * text; others carry one object. Members that an event does not have are empty text or null, so
 * that a loop needs no look at its kind. */
import { inspect } from 'node:util';

/* By enum leat_event_kind, and from 64 on those that the addon adds. */
export const KIND = Object.freeze({
  HEAD: 1, TEXT: 2, REASONING: 3, REFUSAL: 4, TOOL_CALL: 5, IMAGE: 6, AUDIO: 7, USAGE: 8, FINISH: 9,
  RAW: 10, SIGNATURE: 11, REPLY: 12, UPDATE: 64, CONTENT: 65, MESSAGE: 66, CLOSING: 67, ROOM: 68,
});

const NAMES = new Array(KIND.ROOM).fill('');
for (const [at, name] of ['', 'head', 'text', 'reasoning', 'refusal', 'toolCall', 'image', 'audio',
  'usage', 'finish', 'raw', 'signature', 'reply'].entries()) NAMES[at] = name;
for (const [at, name] of ['update', 'content', 'message', 'closing'].entries()) {
  NAMES[KIND.UPDATE + at] = name;
}

/** One event of an answer. `code` is the number of its kind, `value` what it carries, and `more`
 * what few have. */
export class Event {
  constructor(code, choice, value, attempt, low, high) {
    this.code = code;
    this.choice = choice;
    this.value = value;
    this.attempt = attempt;
    this.low = low;
    this.high = high;
    this.more = null;
  }

  get kind() { return NAMES[this.code]; }
  get text() { return this.code === KIND.TEXT ? this.value : ''; }
  get reasoning() { return this.code === KIND.REASONING ? this.value : ''; }
  get refusal() { return this.code === KIND.REFUSAL ? this.value : ''; }
  get signature() { return this.code === KIND.SIGNATURE ? this.value : ''; }
  get finishReason() { return this.code === KIND.FINISH ? this.value : ''; }
  get finishDetail() { return this.more?.finishDetail ?? ''; }
  get logprobs() { return this.more?.logprobs ?? ''; }
  get toolCall() { return this.code === KIND.TOOL_CALL ? this.value : null; }
  get usage() { return this.code === KIND.USAGE ? this.value : null; }
  get head() { return this.code === KIND.HEAD ? this.value : null; }
  get update() { return this.code === KIND.UPDATE ? this.value : null; }
  get message() { return this.code === KIND.MESSAGE ? this.value : null; }
  get media() {
    return this.code === KIND.IMAGE || this.code === KIND.AUDIO ? this.value : null;
  }

  /** Bytes, of raw, reply and content. */
  get data() { return this.value instanceof Uint8Array ? this.value : null; }
  /** When it was read, in nanoseconds of the clock that process.hrtime has. */
  get receivedNs() { return this.high * 4294967296 + (this.low >>> 0); }
  /** With rxTimestamps, when the kernel had it; 0: not known. */
  get segmentNs() { return this.more?.lag >= 0 ? this.receivedNs - this.more.lag : 0; }

  toJSON() { return { kind: this.kind, choice: this.choice, value: this.value }; }
  [inspect.custom](depth, options) { return `Event ${inspect(this.toJSON(), options)}`; }
}

/* ---- values of the kinds that have one of their own */

/** Status and headers of a response, all of them, in order. */
export class Head {
  constructor(status, headers) {
    this.status = status;
    this.headers = headers; /* flat: name, value, name, value */
  }

  /** The first header of this name, compared without case. */
  get(name) {
    const wanted = name.toLowerCase();
    for (let i = 0; i < this.headers.length; i += 2) {
      if (this.headers[i].toLowerCase() === wanted) return this.headers[i + 1];
    }
    return null;
  }
}

const COUNTS = ['input', 'output', 'total', 'reasoning', 'cached', 'cacheWrite', 'inputText',
  'inputAudio', 'inputImage', 'outputText', 'outputAudio', 'acceptedPrediction',
  'rejectedPrediction'];

/* Token counts, null where the provider did not say. */
function usageOf(numbers) {
  return Object.fromEntries(COUNTS.map((name, i) => [name, numbers[i] < 0 ? null : numbers[i]]));
}

export const STATES = Object.freeze(['', 'submitting', 'running', 'downloading', 'succeeded',
  'failed', 'needsInput']);

/* How many values of the extras a kind has. */
const PLACES = new Array(KIND.ROOM).fill(1);
PLACES[KIND.TOOL_CALL] = 3;
PLACES[KIND.IMAGE] = PLACES[KIND.AUDIO] = 5;
PLACES[KIND.UPDATE] = 7;

/** The value of a kind that has several, or one that is to be read: they begin at `from`. */
export function valueOf(code, extras, from, at) {
  switch (code) {
    case KIND.TOOL_CALL:
      return { index: at, id: extras[from], name: extras[from + 1], arguments: extras[from + 2] };
    case KIND.IMAGE:
    case KIND.AUDIO:
      return {
        data: extras[from], url: extras[from + 1], mimeType: extras[from + 2],
        transcript: extras[from + 3], id: extras[from + 4], partial: at !== 0,
      };
    case KIND.USAGE: return usageOf(extras[from]);
    case KIND.UPDATE: {
      const [state, progress, polls, downloaded] = extras[from];
      return {
        state: STATES[state], progress, polls, downloaded, taskId: extras[from + 1],
        status: extras[from + 2], url: extras[from + 3], errorCode: extras[from + 4],
        errorMessage: extras[from + 5], raw: extras[from + 6],
      };
    }
    default: return extras[from];
  }
}

export const HAS_LOGPROBS = 256;
export const HAS_DETAIL = 512;

/** What stands behind a kind's own values, which has none of them when it is `inside` the text. */
export function moreOf(word, extras, from, inside, lag) {
  let at = from + (inside ? 0 : PLACES[word & 255]);
  const more = { logprobs: '', finishDetail: '', lag };
  if (word & HAS_LOGPROBS) more.logprobs = extras[at++];
  if (word & HAS_DETAIL) more.finishDetail = extras[at];
  return more;
}
