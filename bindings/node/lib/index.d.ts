/* leat for Node, typed. Times are in milliseconds; Infinity switches a deadline off. */

export * from "./fetch.js";
export * from "./errors.js";
export { Event, Head } from "./event.js";
export type { EventKind, Media, TaskUpdate, ToolCall, Usage } from "./event.js";
import type { Ending } from "./engine.js";
import type { Event, Head, Media, TaskUpdate, ToolCall, Usage } from "./event.js";

export type { Ending };

export type Headers = Record<string, string> | Iterable<readonly [string, string]>;
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json | undefined };

/** For each step; a plain number is for everything together. See leat_deadlines in leat.h. */
export interface Timeouts {
  dns?: number;
  connect?: number;
  head?: number;
  first?: number;
  gap?: number;
  idle?: number;
  queue?: number;
  total?: number;
}

export type Auth =
  | "default" | "bearer" | "raw" | "x-api-key" | "api-key" | "x-goog-api-key" | "query"
  | "mj-api-secret" | "none";

/** What any request may have. */
export interface RequestOptions {
  signal?: AbortSignal;
  protocol?: string;
  baseURL?: string | URL;
  apiKey?: string;
  auth?: Auth;
  headers?: Headers;
  timeout?: number | Timeouts;
  http?: "auto" | "1.1" | "2";
  retries?: number;
  /** Never sent twice. */
  once?: boolean;
  /** Requests of one lane run one at a time, in their order. */
  lane?: string;
  laneWeight?: number;
  priority?: number;
  /** Those of its lane that wait or run end with a SupersededError. */
  supersede?: boolean;
  /** How many tokens it may cost, for limits. */
  tokens?: number;
}

export interface TextPart { type: "text"; text: string }
export interface ImagePart { type: "image_url"; image_url: string | { url: string; detail?: string } }
export interface AudioPart { type: "input_audio"; input_audio: { data: string; format: string } }
export interface FilePart {
  type: "file";
  file: { file_id?: string; file_data?: string; filename?: string };
}
export interface VideoPart { type: "video_url"; video_url: string | { url: string } }
export type Part =
  | TextPart | ImagePart | AudioPart | FilePart | VideoPart | { type: string; [key: string]: unknown };

export interface FunctionCall {
  id?: string;
  type?: "function";
  function: { name: string; arguments: string };
}

/** As OpenAI has them, for every dialect. */
export interface Message {
  role: string;
  content?: string | readonly Part[] | null;
  name?: string;
  tool_calls?: readonly FunctionCall[];
  tool_call_id?: string;
  reasoning?: string;
  reasoning_content?: string;
  signature?: string;
  refusal?: string | null;
}

export interface FunctionTool {
  type?: "function";
  function: { name: string; description?: string; parameters?: object; strict?: boolean | null };
}
export type Tool = FunctionTool | { type: string; [key: string]: unknown };

/** A completion, written once for every dialect. What a dialect does not have is refused. */
export interface ChatOptions extends RequestOptions {
  model?: string;
  messages?: readonly Message[];
  path?: string;
  suffix?: string;
  /** Also each record of the stream as it came, as an event of the kind "raw". */
  raw?: boolean;
  noUsage?: boolean;
  maxTokens?: number;
  maxCompletionTokens?: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  n?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  seed?: number;
  logprobs?: boolean;
  topLogprobs?: number;
  parallelToolCalls?: boolean;
  bestOf?: number;
  echo?: boolean;
  store?: boolean;
  reasoningTokens?: number;
  reasoningEffort?: string;
  stop?: string | readonly string[];
  tools?: readonly Tool[];
  toolChoice?: string | object;
  user?: string;
  serviceTier?: string;
  responseFormat?: object;
  logitBias?: Record<string, number>;
  metadata?: Record<string, string>;
  streamOptions?: object;
  /** Members that join the body. */
  extra?: object;
  /** A socket on which this is the next turn. */
  socket?: Socket;
}

export type FormValue =
  | string | Uint8Array
  | { path: string; filename?: string; contentType?: string }
  | { content: string | Uint8Array; filename?: string; contentType?: string }
  | Json;

export interface CallOptions extends RequestOptions {
  form?: Record<string, FormValue> | Iterable<readonly [string, FormValue]>;
}

export interface TaskOptions extends RequestOptions {
  family?: string;
  model?: string;
  prompt?: string;
  /** A job that was submitted elsewhere: only polled, and downloaded. */
  taskId?: string;
  customId?: string;
  resubmit?: boolean;
  poll?: number;
  firstPoll?: number;
  deadline?: number;
  jitterPercent?: number;
  download?: boolean;
  /** Where the content is written to; it appears when it is whole. */
  file?: string;
}

export interface SocketOptions
  extends Omit<RequestOptions, "http" | "retries" | "once" | "auth" | "lane" | "tokens"> {
  model?: string;
  subprotocols?: string;
  keyInSubprotocol?: boolean;
  messageBytesMax?: number;
  ping?: number;
  close?: number;
}

/** What a provider allows; without `model` for all that no other limit names, each apart. */
export interface Limit {
  model?: string;
  requestsPerMinute?: number;
  tokensPerMinute?: number;
  concurrency?: number;
}

/** See leat_config in leat.h. */
export interface ClientOptions {
  baseURL?: string | URL;
  apiKey?: string;
  protocol?: string;
  auth?: Auth;
  headers?: Headers;
  timeout?: number | Timeouts;
  retries?: number;
  retryAfterMax?: number;
  redirects?: number;
  allowPlainKey?: boolean;
  http?: "auto" | "1.1" | "2";
  proxy?: string;
  noProxy?: string;
  /** Reads up to 1 ms late where that saves wake-ups; what else lives on the loop waits, too. */
  coalesce?: boolean;
  connsMax?: number;
  h2ConnsMax?: number;
  h2StreamsMax?: number;
  queueMax?: number;
  handshakesMax?: number;
  keepAliveMs?: number;
  requestsMax?: number;
  bodyBytesMax?: number;
  eventBytesMax?: number;
  headerBytesMax?: number;
  heldBytesMax?: number;
  caFile?: string;
  caPem?: string | Uint8Array;
  insecure?: boolean;
  certFile?: string;
  keyFile?: string;
  certPem?: string | Uint8Array;
  keyPem?: string | Uint8Array;
  resolve?: readonly string[];
  learnLimits?: boolean;
  limits?: readonly Limit[];
  retryBudget?: number;
  circuitFailures?: number;
  circuitMs?: number;
  pollsPerSecond?: number;
  journal?: string;
  metrics?: boolean;
  rxTimestamps?: boolean;
  /** Rows of the endpoint registry, as its file has them. */
  endpoints?: string;
  /** What a stream holds for a slow reader before it is paused [256 KiB]. */
  heldMax?: number;
}

/** An answer as it comes: `for await (const event of stream)`. Leaving the loop ends the request.
 * What nobody reads is held, 256 KiB of it, and then waited with. */
export class Stream implements AsyncIterableIterator<Event>, AsyncDisposable {
  protected constructor();
  /** How it ended; null before. */
  readonly ending: Ending | null;
  readonly error: unknown;
  /** Of choice 0, so far. */
  readonly text: string;
  readonly over: boolean;
  next(): Promise<IteratorResult<Event, undefined>>;
  return(): Promise<IteratorResult<Event, undefined>>;
  [Symbol.asyncIterator](): this;
  [Symbol.asyncDispose](): Promise<void>;
  /** Ends the request; its events are dropped. */
  cancel(): void;
  /** Calls `listener` with every event, in the asynchronous context of this call; resolves at the
   * end, or rejects with what failed. What the listener throws is an uncaughtException. */
  each(listener: (event: Event) => void): Promise<void>;
  /** Resolves at the end, whatever it is. */
  finished(): Promise<void>;
  /** Reads what is left of the answer, and joins it. */
  complete(): Promise<Completion>;
}

export interface Choice {
  text: string;
  reasoning: string;
  signature: string;
  refusal: string;
  toolCalls: ToolCall[];
  media: Media[];
  finishReason: string;
  finishDetail: string;
  logprobs: unknown[];
}

/** A whole answer. `text` and its like are those of choice 0. */
export interface Completion {
  text: string;
  reasoning: string;
  refusal: string;
  toolCalls: ToolCall[];
  finishReason: string;
  choices: Choice[];
  usage: Usage | null;
  head: Head | null;
  result: Ending;
}

export interface Reply {
  status: number;
  /** Name, value, name, value. */
  headers: string[];
  data: Uint8Array;
  result: Ending;
  json(): any;
}

/** A call of an endpoint: await it for its whole reply, or take its events as they come. */
export class Call extends Stream implements PromiseLike<Reply> {
  reply(): Promise<Reply>;
  then<A = Reply, B = never>(
    resolve?: ((reply: Reply) => A | PromiseLike<A>) | null,
    reject?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B>;
  catch<B = never>(reject?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<Reply | B>;
  finally(last?: (() => void) | null): Promise<Reply>;
}

export interface TaskResult {
  taskId: string;
  status: string;
  url: string;
  raw: Uint8Array;
  polls: number;
  downloaded: number;
  /** The content, where it was downloaded into memory. */
  data: Uint8Array;
  earlierRun: boolean;
  result: Ending;
}

/** A job: await it for its result, or iterate over what is told of it. */
export class Task extends Stream implements PromiseLike<TaskResult> {
  updates(): AsyncGenerator<TaskUpdate, void, undefined>;
  wait(): Promise<TaskResult>;
  then<A = TaskResult, B = never>(
    resolve?: ((result: TaskResult) => A | PromiseLike<A>) | null,
    reject?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B>;
  catch<B = never>(
    reject?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<TaskResult | B>;
  finally(last?: (() => void) | null): Promise<TaskResult>;
}

/** A WebSocket: `send` and `messages`, or with a protocol turns, by `chat(prompt, { socket })`. */
export class Socket extends Stream {
  /** Waits while much is under way. */
  send(message: string | Uint8Array): Promise<void>;
  /** The peer's messages, whole, until it closes. */
  messages(): AsyncGenerator<string | Uint8Array, void, undefined>;
  /** The next message; null when the socket was closed in good order. */
  receive(): Promise<string | Uint8Array | null>;
  /** Closes, and waits for the peer's answer. A code that is no success rejects. */
  close(code?: number, reason?: string): Promise<void>;
  /** The peer's; null before the end. */
  readonly closeCode: number | null;
}

/** Carries requests over a small pool of connections, on Node's own loop. */
export class Client implements AsyncDisposable {
  constructor(options?: ClientOptions);
  /** Asks, and streams the answer. `prompt` is a text, or messages. */
  chat(prompt?: string | readonly Message[] | null, options?: ChatOptions): Stream;
  /** Asks for a whole answer; with `stream` it is streamed on its way to here. */
  complete(
    prompt?: string | readonly Message[] | null,
    options?: ChatOptions & { stream?: boolean },
  ): Promise<Completion>;
  /** Calls an endpoint of the registry by its name. */
  call(
    endpoint: string,
    body?: Uint8Array | Json | object | null,
    params?: Record<string, string | number> | null,
    options?: CallOptions,
  ): Call;
  /** Starts a job of a family. */
  task(options: TaskOptions): Task;
  /** Starts a job of an endpoint, or of `options.family`. */
  task(
    endpoint?: string | null,
    body?: Uint8Array | Json | object | null,
    params?: Record<string, string | number> | null,
    options?: TaskOptions,
  ): Task;
  /** Opens a WebSocket; what is sent before it is open waits. */
  ws(url?: string | URL | null, options?: SocketOptions): Socket;
  /** The engine's counters, by the names of leat_stats in camelCase. */
  stats(): Record<string, number>;
  /** What the engine has counted, in Prometheus' text format. */
  metrics(): string;
  /** Cancels what runs, or with `drain` waits for it; resolves when the engine is gone. */
  close(options?: { drain?: boolean }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
