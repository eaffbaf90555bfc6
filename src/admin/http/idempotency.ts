/** Idempotency-Key: a creation that is sent again, because its answer was lost, gets that answer and creates nothing. */
import { createHash } from 'node:crypto';
import { GatewayError } from '../../shared/errors.ts';
import type { Store, StoreWriter } from '../../store/store.ts';
import { invalidInput } from './problem.ts';
import type { JsonAnswer } from './route.ts';

const WELL_FORMED = /^[\x21-\x7e]{1,255}$/;

export interface IdempotentRequest extends Disposable {
  /** The answer that the request got before; undefined when it is new. */
  readonly replay: JsonAnswer | undefined;
  /** To be called in the transaction that does what the request asks for. */
  remember(tx: StoreWriter, answer: JsonAnswer): Promise<void>;
}

export interface KeyedRequest {
  readonly subject: string;
  readonly key: string;
  readonly method: string;
  /** What is asked for, the same under each of its paths. */
  readonly target: string;
  readonly body: string;
}

export class IdempotentRequests {
  readonly #store: Store;
  /** Those that are being worked on: whoever sends the same key meanwhile has to wait for what becomes of it. */
  readonly #open = new Set<string>();

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * To be disposed when the request has been answered. Rejects with `idempotency_in_progress`, `idempotency_mismatch`, or
   * `invalid_input` for a key that is none.
   */
  async begin({ subject, key, method, target, body }: KeyedRequest): Promise<IdempotentRequest> {
    if (!WELL_FORMED.test(key)) {
      throw invalidInput([
        {
          header: 'Idempotency-Key',
          detail: 'must be 1 to 255 visible ASCII characters',
          remedy: 'Send a new UUID for each new request.',
        },
      ]);
    }
    const identity = JSON.stringify([subject, key]);
    if (this.#open.has(identity)) {
      throw new GatewayError(
        'idempotency_in_progress',
        'A request with this Idempotency-Key is still being worked on.',
      );
    }
    this.#open.add(identity);
    try {
      const fingerprint = createHash('sha256')
        .update(JSON.stringify([method, target, body]))
        .digest('hex');
      const before = await this.#store.idempotent({ subject, key });
      if (before !== undefined && before.fingerprint !== fingerprint) {
        throw new GatewayError('idempotency_mismatch', 'This Idempotency-Key was used before, for another request.');
      }
      return {
        replay: before && replayOf(before),
        remember: (tx, { status = 200, body: answer, etag, live, headers }) =>
          tx.rememberIdempotent({
            subject,
            key,
            fingerprint,
            status,
            body: JSON.stringify({ body: answer, etag, live, headers }),
            createdAt: Date.now(),
          }),
        [Symbol.dispose]: () => void this.#open.delete(identity),
      };
    } catch (error) {
      this.#open.delete(identity);
      throw error;
    }
  }
}

function replayOf({ status, body }: { readonly status: number; readonly body: string }): JsonAnswer {
  const { headers, ...answer } = JSON.parse(body) as Omit<JsonAnswer, 'status'>;
  return { ...answer, status, headers: { ...headers, 'idempotency-replayed': 'true' } };
}
