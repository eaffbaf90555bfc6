/** What happens in the gateway, for those who follow it: the newest events are kept, so that a lost connection loses none. */
import { randomBytes } from 'node:crypto';
import type { Permission } from '../../auth/permissions.ts';
import type { Access } from '../../config/registration.ts';
import type { ObjectReference } from '../../store/store.ts';

export interface GatewayEvent {
  /** Such as `server.create`, `health` or `reload`. */
  readonly type: string;
  /** ms since the epoch. */
  readonly at: number;
  readonly object: ObjectReference | undefined;
  /** Without secrets. */
  readonly data: Readonly<Record<string, unknown>>;
  readonly audience: Audience;
}

/** Who may hear of it. */
export interface Audience {
  readonly permission: Permission;
  /** Of the object concerned; undefined = nobody's in particular: the permission must hold for everything. */
  readonly access: Access | undefined;
  /** The server or virtual server that `access` is of. */
  readonly of?: Pick<ObjectReference, 'kind' | 'id'> | undefined;
}

export interface NumberedEvent extends GatewayEvent {
  /** Counts up from 1 in each process. */
  readonly sequence: number;
}

const KEPT = 1_000;

export class EventBus {
  /** Of this process: the numbers of another one mean nothing here. */
  readonly #process = randomBytes(6).toString('hex');
  readonly #kept: NumberedEvent[] = [];
  /** With the subject of who listens. */
  readonly #listeners = new Map<(event: NumberedEvent | undefined) => void, string>();
  #sequence = 0;

  /** Number of those who follow. */
  get size(): number {
    return this.#listeners.size;
  }

  /** Number of streams of this subject. */
  followedBy(subject: string): number {
    return [...this.#listeners.values()].filter((one) => one === subject).length;
  }

  publish(event: GatewayEvent): void {
    const numbered = { ...event, sequence: ++this.#sequence };
    this.#kept.push(numbered);
    if (this.#kept.length > KEPT) this.#kept.shift();
    for (const listener of this.#listeners.keys()) listener(numbered);
  }

  /** Rights have changed: everybody who follows looks whether he still may. */
  recheck(): void {
    for (const listener of this.#listeners.keys()) listener(undefined);
  }

  /** `listener` is called without an event when rights have changed, and must not throw. Returns how to end it. */
  follow(listener: (event: NumberedEvent | undefined) => void, subject: string): () => void {
    this.#listeners.set(listener, subject);
    return () => this.#listeners.delete(listener);
  }

  idOf({ sequence }: Pick<NumberedEvent, 'sequence'>): string {
    return `${this.#process}-${sequence}`;
  }

  /** Id of the newest event, or of the time before the first. */
  get latestId(): string {
    return this.idOf({ sequence: this.#sequence });
  }

  /** What came after the event with this id; undefined when that cannot be told any more. */
  since(id: string): readonly NumberedEvent[] | undefined {
    const [process, number] = id.split('-');
    const sequence = Number(number);
    if (process !== this.#process || !Number.isSafeInteger(sequence) || sequence > this.#sequence) return undefined;
    const oldest = this.#kept[0]?.sequence ?? this.#sequence + 1;
    if (sequence < oldest - 1) return undefined;
    return this.#kept.filter((event) => event.sequence > sequence);
  }
}
