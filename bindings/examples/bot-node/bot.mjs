#!/usr/bin/env node
/* A bot with many chats, after the manner of Telegram's, with two clients: one for the model, which
 * learns its limits, and one for the feed, where a question for updates may lie for long and must
 * not count among the requests that a limit lets out.
 *
 * Updates come by long polling. Each message is asked at once and in order, in a lane of its chat:
 * so a chat's messages are answered one at a time, and chats take turns, however much one of them
 * says. An answer that takes longer is shown while it grows, by edits, at most one each
 * EDIT_SECONDS and CALLS_PER_SECOND over all chats; when those are used up, ends go before edits.
 * What goes to a chat has a lane, too, so that it comes in order even when the first of two calls
 * had to be repeated.
 *
 * usage: bot.mjs FEED BASE_URL MODEL [EDIT_SECONDS [CALLS_PER_SECOND]]
 * FEED is https://api.telegram.org. BOT_TOKEN is the bot's, LEAT_API_KEY the model's; SSL_CERT_FILE
 * names the CA certificates to trust instead of the system's. SIGTERM or SIGINT: it hears no more,
 * and leaves when all is answered. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'leat';

const PENDING_MAX = 20000; /* messages that are not answered; above it no more are fetched */
const TEXT_MAX = 4096; /* of one message, in the units of JavaScript's strings */
const POLL_SECONDS = 25;

/* The bot's calls as rows of the registry: so they have retries, and statuses are errors. What may
 * have been sent is not sent again. */
function callsOf(token) {
  const row = (name, method, more) => ({
    name: `telegram.${name.toLowerCase()}`, method, auth: 'none', path: `/bot${token}/${name}`,
    ...more,
  });
  return JSON.stringify({
    endpoints: [
      row('getUpdates', 'GET'), row('sendMessage', 'POST', { body: 'json', once: true }),
      row('editMessageText', 'POST', { body: 'json' })],
  });
}

/* No half of a pair may stay at the end: it would be no text. */
function cut(text) {
  return text.slice(0, TEXT_MAX).replace(/[\uD800-\uDBFF]$/, '');
}

/** So many a second, evenly; who asks first goes first, since each waits for the one before. */
class Pace {
  constructor(perSecond) {
    this.gap = 1000 / perSecond;
    this.next = 0;
    this.waiting = 0;
    this.last = Promise.resolve();
  }

  /** How long a turn would be waited for. */
  get behind() { return this.waiting * this.gap; }

  turn() {
    this.waiting++;
    this.last = this.last.then(async () => {
      const now = performance.now();
      this.next = Math.max(this.next, now) + this.gap;
      if (this.next - now > 2) await sleep(this.next - now); /* what timers can tell apart */
      this.waiting--;
    });
    return this.last;
  }
}

class Bot {
  constructor(client, feed, model, edit, rate) {
    Object.assign(this, { client, feed, model, edit, pace: new Pace(rate) });
    this.pending = 0;
    this.answered = 0;
    this.failed = 0;
    this.change = null; /* who waits until fewer are pending */
  }

  /** Until the signal. */
  async run(signal) {
    let offset = 0;
    while (!signal.aborted) {
      await this.fewerThan(PENDING_MAX);
      try {
        const asked = { offset, timeout: POLL_SECONDS, limit: 100 };
        const reply = await this.feed.call('telegram.getupdates', null, asked,
          { signal, timeout: POLL_SECONDS * 2000 });
        for (const update of reply.json().result) {
          offset = update.update_id + 1;
          this.hear(update);
        }
      } catch (error) {
        if (signal.aborted) return;
        console.error(`bot: no updates: ${error.message}`);
        await sleep(1000, null, { signal }).catch(() => {});
      }
    }
  }

  /* Asks at once, so that the lane has the order in which it was said. The seed makes the answer to
   * an update that comes again the same. */
  hear({ update_id: seed, message = {} }) {
    if (!message.text) return;
    const { chat } = message;
    const stream = this.client.chat(message.text,
      { model: this.model, lane: `chat ${chat.id}`, seed });
    this.pending++;
    this.answer(stream, chat.id, message.message_id).finally(() => {
      this.pending--;
      this.change?.resolve();
    });
  }

  async fewerThan(count) {
    while (this.pending >= count) {
      this.change ??= Promise.withResolvers();
      await this.change.promise;
      this.change = null;
    }
  }

  async answer(stream, chat, question) {
    const shown = { text: '', id: 0 };
    let text = '';
    let due = 0;
    try {
      for await (const event of stream) {
        text += event.text;
        due ||= performance.now() + this.edit;
        if (text && performance.now() >= due && this.pace.behind < this.edit) {
          await this.show(chat, question, shown, text);
          due = performance.now() + this.edit;
        }
      }
      this.answered++;
    } catch (error) {
      this.failed++;
      text += ` [${error.name}]`;
    }
    if (text !== shown.text || !shown.id) {
      await this.show(chat, question, shown, text || '(nothing)');
    }
  }

  /* Sends a message, or changes the one that was sent. Where that fails the answer goes on: what it
   * says later is shown with all that it said before. */
  async show(chat, question, shown, text) {
    await this.pace.turn();
    const body = { chat_id: chat, text: cut(text) };
    if (shown.id) body.message_id = shown.id;
    else body.reply_parameters = { message_id: question };
    const name = shown.id ? 'telegram.editmessagetext' : 'telegram.sendmessage';
    try {
      const reply = await this.feed.call(name, body, null, { lane: `to ${chat}` });
      shown.id ||= reply.json().result.message_id;
      shown.text = text;
    } catch (error) {
      console.error(`bot: chat ${chat}: ${error.message}`);
    }
  }
}

async function main(feedURL, baseURL, model, edit = 1, rate = 30) {
  const { BOT_TOKEN: token, LEAT_API_KEY: apiKey, SSL_CERT_FILE: caFile } = process.env;
  const client = new Client({ baseURL, apiKey, caFile, learnLimits: true });
  const feed = new Client({ baseURL: feedURL, caFile, endpoints: callsOf(token) });
  const bot = new Bot(client, feed, model, edit * 1000, rate);
  const leaving = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT']) process.on(name, () => leaving.abort());
  await bot.run(leaving.signal);
  await bot.fewerThan(1);
  await Promise.all([client.close(), feed.close()]);
  console.log(`${bot.answered} answered, ${bot.failed} failed`);
}

const [feedURL, baseURL, model, ...numbers] = process.argv.slice(2);
if (!model || numbers.length > 2 || !numbers.every((text) => Number(text) > 0) ||
    !process.env.BOT_TOKEN) {
  console.error('usage: BOT_TOKEN=... bot.mjs FEED BASE_URL MODEL [EDIT_SECONDS ' +
    '[CALLS_PER_SECOND]]');
  process.exitCode = 2;
} else {
  await main(feedURL, baseURL, model, ...numbers.map(Number));
}
