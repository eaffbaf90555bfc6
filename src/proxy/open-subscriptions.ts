/** The open subscriptions of modern clients: they follow what exists for their principals, and end in good order. */
import { GatewayError } from '../shared/errors.ts';
import type { Exchange } from './exchange.ts';
import type { View } from './view/view.ts';
import { TurnoverSet } from '../shared/turnover.ts';

export interface OpenSubscription {
  readonly exchange: Exchange;
  /** Finishes it in good order. */
  end(): void;
  /** Something else may exist for it now. */
  moveTo(view: View): void;
}

const MAX_SUBSCRIPTIONS = 20_000;
const MAX_PER_PRINCIPAL = 5_000;

export class OpenSubscriptions {
  readonly #open = new TurnoverSet<OpenSubscription>();
  /** How many each subject has open. */
  readonly #counts = new Map<string, number>();

  /** Throws `too_many_sessions`. */
  add(subscription: OpenSubscription): Disposable {
    const { subject } = subscription.exchange.principal;
    const own = this.#counts.get(subject) ?? 0;
    if (this.#open.size >= MAX_SUBSCRIPTIONS || own >= MAX_PER_PRINCIPAL) {
      throw new GatewayError('too_many_sessions', 'The gateway holds as many subscriptions as it may.');
    }
    this.#open.add(subscription);
    this.#counts.set(subject, own + 1);
    return { [Symbol.dispose]: () => this.#remove(subscription, subject) };
  }

  /** `viewNow` gives what exists now for the sender of a request; those for whom nothing does end. */
  renew(viewNow: (exchange: Exchange) => View | undefined): void {
    for (const subscription of [...this.#open]) {
      const view = viewNow(subscription.exchange);
      if (view === undefined) subscription.end();
      else subscription.moveTo(view);
    }
  }

  /** Ends those of requests of which `isLost` says so. */
  endWhere(isLost: (exchange: Exchange) => boolean): void {
    for (const subscription of [...this.#open]) if (isLost(subscription.exchange)) subscription.end();
  }

  endAll(): void {
    for (const subscription of [...this.#open]) subscription.end();
  }

  #remove(subscription: OpenSubscription, subject: string): void {
    if (!this.#open.delete(subscription)) return;
    const left = (this.#counts.get(subject) ?? 1) - 1;
    if (left === 0) this.#counts.delete(subject);
    else this.#counts.set(subject, left);
  }
}
