/** Conversations with legacy servers in the name of modern clients: one for each call that may be asked something, used again by the next. */
import { randomBytes } from 'node:crypto';
import { errorText, type Message } from '../../mcp/message.ts';
import { LATEST_LEGACY_VERSION } from '../../mcp/versions.ts';
import type { CancelSignal } from '../../shared/cancellation.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { Attachment } from '../../upstream/attachment.ts';
import type { UpstreamPool } from '../../upstream/pool.ts';
import type { Asker, Upstream } from '../../upstream/upstream.ts';

export interface CallerIdentity {
  readonly principal: string;
  /** Raw JSON text. */
  readonly clientInfo: string;
  readonly clientCapabilities: string;
}

export interface Lease {
  readonly upstream: Upstream;
  /** `clean` = the call was answered; the server of a call that was given up may still ask for it. */
  release(clean: boolean): void;
}

/** A modern client as a legacy server sees it. What belongs to one of its calls goes to that call and never comes here. */
class Caller implements Attachment {
  readonly sessionId = randomBytes(16).toString('base64url');
  readonly protocolVersion = LATEST_LEGACY_VERSION;
  readonly askable = true;
  readonly logLevel = undefined;
  readonly principal: string;
  readonly clientInfo: string;
  readonly clientCapabilities: string;
  busy = false;
  closed = false;
  lastUsed = Date.now();

  constructor({ principal, clientInfo, clientCapabilities }: CallerIdentity) {
    this.principal = principal;
    this.clientInfo = clientInfo;
    this.clientCapabilities = clientCapabilities;
  }

  subscriptions(): ReadonlySet<string> {
    return new Set();
  }

  onRequest(asker: Asker, message: Message): void {
    const error = { code: -32601, message: 'No call is open that this question could belong to.' };
    asker.respond(errorText(message.id, error)).catch(() => undefined);
  }

  onNotification(): void {
    // Changes reach modern clients through their subscriptions, everything else through their calls.
  }
}

interface Group {
  readonly pool: UpstreamPool;
  readonly callers: Caller[];
  readonly waiting: ((caller: Caller) => void)[];
}

/** Containers cost memory, HTTP sessions little. */
const MOST_CALLERS = { container: 8, http: 64 };
const IDLE_MS = 5 * 60_000;
const SWEEP_MS = 30_000;

export class Callers implements AsyncDisposable {
  readonly #groups = new Map<string, Group>();
  readonly #sweep: NodeJS.Timeout;

  constructor() {
    this.#sweep = setInterval(() => void this.#endIdle(), SWEEP_MS);
    this.#sweep.unref();
  }

  /**
   * A conversation in the name of this client that nobody else uses now: a question of the server can then belong to
   * no other call. Waits while all are in use. Rejects with a GatewayError.
   */
  async lease(pool: UpstreamPool, identity: CallerIdentity, signal: CancelSignal): Promise<Lease> {
    const group = this.#group(pool, identity);
    const caller = await this.#free(group, identity, signal);
    try {
      const upstream = await pool.for(caller);
      return { upstream, release: (clean) => this.#release(group, caller, clean) };
    } catch (error) {
      this.#release(group, caller, true);
      throw error;
    }
  }

  #group(pool: UpstreamPool, { principal, clientInfo, clientCapabilities }: CallerIdentity): Group {
    const key = JSON.stringify([pool.name, principal, clientInfo, clientCapabilities]);
    let group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, (group = { pool, callers: [], waiting: [] }));
    return group;
  }

  #free(group: Group, identity: CallerIdentity, signal: CancelSignal): Promise<Caller> {
    let caller = group.callers.find(({ busy }) => !busy);
    if (caller === undefined && group.callers.length < MOST_CALLERS[group.pool.config.kind]) {
      caller = new Caller(identity);
      group.callers.push(caller);
    }
    if (caller !== undefined) {
      caller.busy = true;
      return Promise.resolve(caller);
    }
    const { promise, resolve, reject } = Promise.withResolvers<Caller>();
    const onAbort = (): void => {
      group.waiting.splice(group.waiting.indexOf(take), 1);
      reject(new GatewayError('cancelled', 'The request was cancelled.'));
    };
    const take = (freed: Caller): void => {
      signal.removeEventListener('abort', onAbort);
      resolve(freed);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    group.waiting.push(take);
    return promise;
  }

  #release(group: Group, caller: Caller, clean: boolean): void {
    caller.lastUsed = Date.now();
    const mayFollow = clean || group.pool.config.kind === 'http';
    if (!mayFollow) {
      // On a pipe a late question would be taken for one of the next call: the process ends with its call.
      caller.closed = true;
      group.callers.splice(group.callers.indexOf(caller), 1);
      group.pool.detach(caller).catch(() => undefined);
    }
    const next = group.waiting.shift();
    if (next === undefined) caller.busy = false;
    else next(mayFollow ? caller : this.#another(group, caller));
  }

  #another(group: Group, identity: CallerIdentity): Caller {
    const caller = new Caller(identity);
    caller.busy = true;
    group.callers.push(caller);
    return caller;
  }

  async #endIdle(): Promise<void> {
    const oldest = Date.now() - IDLE_MS;
    const ended: Promise<void>[] = [];
    for (const [key, { pool, callers }] of this.#groups) {
      for (const caller of callers.filter(({ busy, lastUsed }) => !busy && lastUsed < oldest)) {
        caller.closed = true;
        callers.splice(callers.indexOf(caller), 1);
        ended.push(pool.detach(caller));
      }
      if (callers.length === 0) this.#groups.delete(key);
    }
    await Promise.allSettled(ended);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sweep);
    const ended = [...this.#groups.values()].flatMap(({ pool, callers }) =>
      callers.map((caller) => pool.detach(caller)),
    );
    this.#groups.clear();
    await Promise.allSettled(ended);
  }
}
