/** Which eras a server speaks: asked when it matters, remembered for a while, shown in the status. */
import type { Era } from '../mcp/versions.ts';
import { GatewayError } from '../shared/errors.ts';
import type { ModernUpstream } from './modern-upstream.ts';
import type { ServerWires } from './open-conversation.ts';
import { openModern } from './open-modern.ts';
import type { UpstreamEvents } from './upstream.ts';

export type Verdict = 'yes' | 'no' | 'unknown';

export interface EraStatus {
  readonly legacy: Verdict;
  readonly modern: Verdict;
  /** When `modern` was found out, in ms since the epoch; undefined while it is unknown. */
  readonly checkedAt: number | undefined;
  /** From when on a `no` is doubted, in ms since the epoch. */
  readonly expiresAt: number | undefined;
}

export interface ModernConversationOptions {
  readonly wires: ServerWires;
  readonly clientInfo: string;
  readonly signal: AbortSignal;
  readonly onNotification: UpstreamEvents['onNotification'];
  readonly onClose: (reason: Error) => void;
  readonly onListing: NonNullable<UpstreamEvents['onListing']>;
}

/** A verdict "legacy" never corrects itself, because nobody asks again: it is doubted after so long. */
const NO_LASTS_MS = 15 * 60_000;

/** The modern conversation with a server, opened when it is first wanted. */
export class ModernConversation implements AsyncDisposable {
  readonly #options: ModernConversationOptions;
  #opening: Promise<ModernUpstream | undefined> | undefined;
  #upstream: ModernUpstream | undefined;
  #verdict: Verdict = 'unknown';
  #checkedAt: number | undefined;

  constructor(options: ModernConversationOptions) {
    this.#options = options;
  }

  get verdict(): Verdict {
    return this.#expired ? 'unknown' : this.#verdict;
  }
  get checkedAt(): number | undefined {
    return this.#checkedAt;
  }
  get expiresAt(): number | undefined {
    return this.#verdict === 'no' && this.#checkedAt !== undefined ? this.#checkedAt + NO_LASTS_MS : undefined;
  }
  /** The conversation if it is open. */
  get present(): ModernUpstream | undefined {
    return this.#upstream;
  }

  /** `primary` is the era that the server was opened in; undefined before that. */
  status(primary: Era | undefined): EraStatus {
    const { verdict, checkedAt, expiresAt } = this;
    const legacy = primary === undefined ? 'unknown' : primary === 'legacy' ? 'yes' : 'no';
    return { legacy, modern: verdict, checkedAt, expiresAt };
  }

  get #expired(): boolean {
    return this.expiresAt !== undefined && Date.now() >= this.expiresAt;
  }

  /**
   * The conversation, or undefined for a server that speaks only the legacy era. Rejects when that cannot be found out
   * now. `patient`: the server may take as long as for its start, because it is known to be no legacy one.
   */
  get(options: { readonly patient: boolean } = { patient: false }): Promise<ModernUpstream | undefined> {
    if (this.#upstream !== undefined) return Promise.resolve(this.#upstream);
    if (this.verdict === 'no') return Promise.resolve(undefined);
    this.#opening ??= this.#open(options.patient).finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  /** The server was started anew: it may be another one. */
  doubt(): void {
    if (this.#verdict === 'no') this.#verdict = 'unknown';
  }

  /** Forgets the conversation if it is this one: its owner closes it. */
  drop(upstream: object): void {
    if (this.#upstream === upstream) this.#upstream = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opening = await this.#opening?.catch(() => undefined);
    await (opening ?? this.#upstream)?.close();
  }

  async #open(patient: boolean): Promise<ModernUpstream | undefined> {
    const { wires, clientInfo, signal, onNotification, onClose, onListing } = this.#options;
    const made: { upstream?: ModernUpstream } = {};
    const upstream = await openModern(wires, {
      clientInfo,
      signal,
      patient,
      onMade: (candidate) => (made.upstream = candidate),
      events: {
        onRequest: () => undefined,
        onNotification,
        onListing,
        onClose: (reason) => {
          if (this.#upstream === undefined || this.#upstream !== made.upstream) return;
          this.#upstream = undefined;
          wires.log.warn({ err: reason }, 'the modern conversation ended; the next request opens another');
          onClose(reason);
        },
      },
    });
    if (signal.aborted) {
      await upstream?.close();
      throw new GatewayError('shutting_down', 'The gateway is shutting down.');
    }
    this.#upstream = upstream;
    this.#verdict = upstream === undefined ? 'no' : 'yes';
    this.#checkedAt = Date.now();
    return upstream;
  }
}
