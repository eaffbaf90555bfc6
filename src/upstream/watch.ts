/** Keeps one `subscriptions/listen` open with a modern server: what of it changes, for everybody behind the gateway. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import {
  isObject,
  notificationText,
  paramsOf,
  parseMessage,
  requestText,
  type JsonObject,
  type Message,
} from '../mcp/message.ts';
import { backoffDelay } from '../shared/backoff.ts';
import type { Answer, CallOptions } from './upstream.ts';

export interface WatchOptions {
  readonly call: (message: Message, options: CallOptions) => Promise<Answer>;
  /** Adds to raw params what says who asks. */
  readonly stamp: (params: string) => string;
  /** A change, as the server told it. */
  readonly onChange: (message: Message) => void;
  readonly log: Logger;
}

const BACKOFF = { firstMs: 500, longestMs: 60_000 };
const LISTS = ['tools', 'prompts', 'resources'] as const;

export class Watch {
  readonly #options: WatchOptions;
  #capabilities: JsonObject = {};
  #uris: ReadonlySet<string> = new Set();
  #running: AbortController | undefined;
  #started = false;
  #stopped = false;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  start(capabilities: JsonObject): void {
    this.#capabilities = capabilities;
    this.#started = true;
    this.#restart();
  }

  /** Watches these resources from now on. */
  resources(uris: ReadonlySet<string>): void {
    if (uris.size === this.#uris.size && [...uris].every((uri) => this.#uris.has(uri))) return;
    this.#uris = new Set(uris);
    if (this.#started) this.#restart();
  }

  stop(): void {
    this.#stopped = true;
    this.#running?.abort();
  }

  #restart(): void {
    // The old subscription goes on until the new one is acknowledged, so that no change falls between them.
    const previous = this.#running;
    const filter = this.#filter();
    if (this.#stopped || filter === undefined) {
      this.#running = undefined;
      previous?.abort();
      return;
    }
    const running = new AbortController();
    this.#running = running;
    void this.#run(filter, running.signal, () => previous?.abort());
  }

  #filter(): JsonObject | undefined {
    const filter: Record<string, boolean | string[]> = {};
    for (const list of LISTS) {
      const capability = this.#capabilities[list];
      if (isObject(capability) && capability['listChanged'] === true) filter[`${list}ListChanged`] = true;
    }
    if (this.#uris.size > 0) filter['resourceSubscriptions'] = [...this.#uris];
    return Object.keys(filter).length === 0 ? undefined : filter;
  }

  /** Never rejects. */
  async #run(filter: JsonObject, signal: AbortSignal, onAcknowledged: () => void): Promise<void> {
    const params = this.#options.stamp(JSON.stringify({ notifications: filter }));
    const message = parseMessage(requestText('"watch"', 'subscriptions/listen', params));
    for (let failures = 0; !signal.aborted; failures++) {
      let acknowledged = false;
      try {
        const { message: answer } = await this.#options.call(message, {
          owner: this,
          timeoutMs: undefined,
          signal,
          onMessage: (text) => {
            const change = parseMessage(text);
            if (change.method !== 'notifications/subscriptions/acknowledged')
              return this.#options.onChange(untagged(change));
            acknowledged = true;
            onAcknowledged();
            // What happened while nobody listened is unknown.
            if (failures > 0) this.#announce(filter);
            failures = 0;
          },
        });
        if (answer.failed && !acknowledged) {
          this.#options.log.info({ error: answer.value['error'] }, 'the server refuses to tell of changes');
          onAcknowledged();
          return;
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#options.log.debug({ err: error }, 'the subscription to changes broke off');
      }
      await sleep(backoffDelay(failures, BACKOFF), undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  #announce(filter: JsonObject): void {
    for (const list of LISTS) {
      if (filter[`${list}ListChanged`] === true)
        this.#options.onChange(parseMessage(notificationText(`notifications/${list}/list_changed`)));
    }
    for (const uri of this.#uris)
      this.#options.onChange(
        parseMessage(notificationText('notifications/resources/updated', JSON.stringify({ uri }))),
      );
  }
}

/** The change as one of our own: the id of our subscription means nothing to anybody else. */
function untagged(change: Message): Message {
  const uri = paramsOf(change)['uri'];
  return parseMessage(
    notificationText(change.method ?? '', typeof uri === 'string' ? JSON.stringify({ uri }) : undefined),
  );
}
