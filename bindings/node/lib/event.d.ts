/* Events, and what they carry. */

export type EventKind =
  | "head" | "text" | "reasoning" | "refusal" | "toolCall" | "image" | "audio" | "usage"
  | "finish" | "raw" | "signature" | "reply" | "update" | "content" | "message" | "closing";

/** Status and headers of a response, all of them, in order. */
export class Head {
  constructor(status: number, headers: string[]);
  readonly status: number;
  /** Name, value, name, value. */
  readonly headers: string[];
  /** The first header of this name, compared without case. */
  get(name: string): string | null;
}

/** A fragment of a tool call (id and name come with the first), or a whole one. */
export interface ToolCall {
  index: number;
  id: string;
  name: string;
  arguments: string;
}

/** An image or sound: base64 text as it was sent, or a URL. */
export interface Media {
  data: string;
  url: string;
  mimeType: string;
  transcript: string;
  id: string;
  partial: boolean;
}

/** Token counts, null where the provider did not say. */
export interface Usage {
  input: number | null;
  output: number | null;
  total: number | null;
  reasoning: number | null;
  cached: number | null;
  cacheWrite: number | null;
  inputText: number | null;
  inputAudio: number | null;
  inputImage: number | null;
  outputText: number | null;
  outputAudio: number | null;
  acceptedPrediction: number | null;
  rejectedPrediction: number | null;
}

/** Where a task stands. `progress` is in percent, -1: not told. */
export interface TaskUpdate {
  state: "submitting" | "running" | "downloading" | "succeeded" | "failed" | "needsInput";
  progress: number;
  polls: number;
  downloaded: number;
  taskId: string;
  status: string;
  url: string;
  errorCode: string;
  errorMessage: string;
  raw: Uint8Array;
}

/** One event of an answer. Members that it does not have are empty text or null. */
export class Event {
  private constructor();
  readonly kind: EventKind;
  readonly choice: number;
  readonly attempt: number;
  /** What it carries, by its kind. */
  readonly value: string | Uint8Array | Head | ToolCall | Media | Usage | TaskUpdate;
  readonly text: string;
  readonly reasoning: string;
  readonly refusal: string;
  readonly signature: string;
  readonly finishReason: string;
  readonly finishDetail: string;
  /** JSON beside a text. */
  readonly logprobs: string;
  readonly toolCall: ToolCall | null;
  readonly usage: Usage | null;
  readonly head: Head | null;
  readonly update: TaskUpdate | null;
  readonly media: Media | null;
  readonly message: string | Uint8Array | null;
  /** Bytes, of raw, reply and content. */
  readonly data: Uint8Array | null;
  /** When it was read, in nanoseconds of the clock that process.hrtime has; 0: not told. */
  readonly receivedNs: number;
  /** With rxTimestamps, when the kernel had it; 0: not known. */
  readonly segmentNs: number;
  toJSON(): object;
}
