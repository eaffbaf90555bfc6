/** Requests of callers of whom nobody knows who they are, on their way into the audit log: a line for each, and for floods a line that counts. */
import { isIPv6 } from 'node:net';
import type { ErrorCode } from '../shared/errors.ts';

export interface Stranger {
  readonly requestId: string;
  /** Address of the peer. */
  readonly address: string | undefined;
  /** Verb and path, without the query. */
  readonly action: string;
  readonly reason: string;
}

/** Resolves when it is written or counted, or when neither is possible. Never rejects. */
export type RecordStranger = (stranger: Stranger) => Promise<void>;

const CODES: ReadonlySet<ErrorCode> = new Set(['unauthorized', 'malformed_authorization', 'forbidden_host']);

/** True for the failure of somebody who has not got as far as being somebody. */
export function isStranger({ code }: { readonly code: ErrorCode }): boolean {
  return CODES.has(code);
}

const WINDOW_MS = 60_000;
/** Lines of their own in one window: from one network, and from all. */
const MOST_OF_ONE = 5;
const MOST_OF_ALL = 60;

/** What has come from one network in this window. */
interface Visits {
  written: number;
  counted: number;
  last: Stranger;
}

export interface StrangerLogOptions {
  /** Writes one line. Never rejects. */
  readonly write: RecordStranger;
  /** For tests. */
  readonly windowMs?: number;
}

/** Anybody who reaches the port can be refused as often as he likes: what he costs has an end. */
export class StrangerLog implements AsyncDisposable {
  readonly #options: StrangerLogOptions;
  #visits = new Map<string, Visits>();
  /** Those whose networks have no place any more in this window. */
  #elsewhere: Visits | undefined;
  #written = 0;
  #window: NodeJS.Timeout | undefined;

  constructor(options: StrangerLogOptions) {
    this.#options = options;
  }

  readonly record: RecordStranger = async (stranger) => {
    this.#window ??= setTimeout(() => void this.#turn(), this.#options.windowMs ?? WINDOW_MS).unref();
    const network = networkOf(stranger.address);
    const known = this.#visits.get(network);
    if (this.#written < MOST_OF_ALL && (known?.written ?? 0) < MOST_OF_ONE) {
      this.#written += 1;
      if (known === undefined) this.#visits.set(network, { written: 1, counted: 0, last: stranger });
      else known.written += 1;
      return this.#options.write(stranger);
    }
    const visits = known ?? (this.#elsewhere ??= { written: 0, counted: 0, last: stranger });
    visits.counted += 1;
    visits.last = stranger;
  };

  /** Writes what was only counted so far. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn();
  }

  async #turn(): Promise<void> {
    clearTimeout(this.#window);
    const counted = [...this.#visits].map(([network, visits]) => summary(`from ${network}`, visits));
    const elsewhere = this.#elsewhere && summary('from other addresses', this.#elsewhere);
    this.#window = undefined;
    this.#visits = new Map();
    this.#elsewhere = undefined;
    this.#written = 0;
    const lines = [...counted, elsewhere].filter((line) => line !== undefined);
    await Promise.all(lines.map((line) => this.#options.write(line)));
  }
}

function summary(from: string, { counted, last }: Visits): Stranger | undefined {
  if (counted === 0) return undefined;
  const many = counted === 1 ? 'One more request' : `${counted} more requests`;
  return { ...last, reason: `${many} ${from} within a minute. The last one: ${last.reason}` };
}

/** Whoever has an IPv6 address has 2^64 of them. */
function networkOf(address: string | undefined): string {
  if (address === undefined) return 'an unknown address';
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const [left, right] = [groupsOf(head), groupsOf(tail ?? '')];
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0');
  return `${[...left, ...zeros, ...right].slice(0, 4).join(':')}::/64`;
}

function groupsOf(text: string): readonly string[] {
  return text === '' ? [] : text.toLowerCase().split(':');
}
