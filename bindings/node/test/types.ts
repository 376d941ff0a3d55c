/* What a program in TypeScript writes, checked by `tsc --strict`; it is never run. */
import OpenAI from 'openai';
import Anthropic from '@anthropic-ai/sdk';
import * as leat from 'leat';
import { createFetch } from 'leat/fetch';

const fetch: leat.Fetch = createFetch({ http: '2', timeout: { head: 1000, idle: Infinity } });
const drop: typeof globalThis.fetch = fetch;
export const clients = [new OpenAI({ fetch: leat.fetch }), new Anthropic({ fetch: drop })];

export async function chats(client: leat.Client): Promise<string> {
  let said = '';
  for await (const event of client.chat('hi', { model: 'm', lane: 'chat-7', maxTokens: 5 })) {
    said += event.text;
    if (event.toolCall) said += event.toolCall.name.length;
    const total: number | null | undefined = event.usage?.total;
    if (total) said += total;
  }
  const answer = await client.complete([{ role: 'user', content: 'hi' }], { stream: true });
  const models = await client.call('models.list', null, { limit: 2 });
  const text: string = models.json().data[0].id;
  const video = await client.task({ family: 'video', prompt: 'a mill' });
  const bytes: Uint8Array = video.data;
  return said + answer.choices[0]!.text + text + bytes.length;
}

export async function sockets(): Promise<number | null> {
  await using client = new leat.Client({ baseURL: 'https://gateway.example', connsMax: 4 });
  await using socket = client.ws('wss://gateway.example/feed');
  await socket.send(new Uint8Array(1));
  for await (const message of socket.messages()) if (typeof message === 'string') break;
  return socket.closeCode;
}

export function told(error: unknown): string {
  if (error instanceof leat.DeadlineError) return error.name;
  if (error instanceof leat.StatusError) return `${error.status} ${error.retryAfter ?? 0}`;
  if (error instanceof TypeError && error.cause instanceof leat.LeatError) {
    return error.cause.code ?? error.cause.ending?.name ?? '';
  }
  return '';
}

// @ts-expect-error: there is no such version
export const wrong = createFetch({ http: '3' });
// @ts-expect-error: nor such an option of a chat
export const other = new leat.Client().chat('hi', { maxToken: 5 });
