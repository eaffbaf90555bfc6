/** One request to a route of the management API: who calls, with what, and what may be done with it. */
import type { IncomingHttpHeaders } from 'node:http';
import { may, mayAnywhere } from '../../auth/authorize.ts';
import type { Principal } from '../../auth/authenticator.ts';
import type { Permission } from '../../auth/permissions.ts';
import type { Access } from '../../config/registration.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { Actor, Changed, ObjectReference, StoreWriter } from '../../store/store.ts';
import type { ManagementContext } from '../context.ts';
import type { IdempotentRequest } from './idempotency.ts';
import { readIfMatch, refuseIfNoneMatch, versionOf } from './etag.ts';
import type { JsonAnswer, Route } from './route.ts';

export interface CallOptions {
  readonly route: Route;
  readonly context: ManagementContext;
  readonly principal: Principal;
  readonly requestId: string;
  readonly address: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Path and query as they came. */
  readonly target: string;
  /** Aborted when the client has gone, or the gateway ends. */
  readonly signal: AbortSignal;
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  /** There when the client has sent an Idempotency-Key. */
  readonly idempotent: IdempotentRequest | undefined;
}

export class Call<P = unknown, Q = unknown, B = unknown> {
  readonly context: ManagementContext;
  readonly principal: Principal;
  readonly actor: Actor;
  readonly requestId: string;
  readonly headers: IncomingHttpHeaders;
  readonly target: string;
  readonly signal: AbortSignal;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly #route: Route;
  readonly #idempotent: IdempotentRequest | undefined;

  constructor(options: CallOptions) {
    const { principal, requestId, address } = options;
    this.context = options.context;
    this.principal = principal;
    this.actor = { subject: principal.subject, user: principal.user, requestId, address };
    this.requestId = requestId;
    this.headers = options.headers;
    this.target = options.target;
    this.signal = options.signal;
    this.params = options.params as P;
    this.query = options.query as Q;
    this.body = options.body as B;
    this.#route = options.route;
    this.#idempotent = options.idempotent;
  }

  /** Throws `stale_version` when the client wants that nothing is there yet (`If-None-Match: *`). To be called for what is there. */
  refuseUnlessNew(): void {
    refuseIfNoneMatch(this.headers['if-none-match']);
  }

  /**
   * The entity tag that the object must have, without quotes; undefined = any. The object is there: throws as
   * `refuseUnlessNew`, and `invalid_input`.
   */
  get ifMatch(): string | undefined {
    this.refuseUnlessNew();
    return readIfMatch(this.headers['if-match']);
  }

  /** The same for objects whose tag is their version. Throws `stale_version` for another tag. */
  get ifVersion(): number | undefined {
    return versionOf(this.ifMatch);
  }

  /** True when the client does not want to wait (RFC 7240: `Prefer: respond-async`). */
  get prefersAsync(): boolean {
    const header = this.headers['prefer'];
    const values = Array.isArray(header) ? header.join(',') : (header ?? '');
    return values.split(',').some((value) => value.split(';')[0]?.trim().toLowerCase() === 'respond-async');
  }

  /** True when the principal has the permission for the object; without one, for all objects. */
  may(permission: Permission, object?: Pick<Access, 'team'>): boolean {
    return may(this.principal, permission, object);
  }

  /** Throws `forbidden` unless the principal has the permission for the object; without one, for all objects. */
  need(permission: Permission, object?: Pick<Access, 'team'>, reference?: ObjectReference): void {
    if (this.may(permission, object)) return;
    throw forbidden(permission, mayAnywhere(this.principal, permission) ? 'for this object' : undefined, reference);
  }

  /**
   * Runs `work` in one transaction, with its line in the audit log, and makes the answer. When the client has sent an
   * Idempotency-Key, the answer is remembered in the same transaction.
   */
  async change<T>(
    work: (tx: StoreWriter) => Promise<Changed<T>>,
    answer: (result: T) => JsonAnswer,
  ): Promise<JsonAnswer> {
    return this.context.store.change({ actor: this.actor, action: this.#route.action }, async (tx) => {
      const changed = await work(tx);
      const made = answer(changed.result);
      await this.remember(tx, made);
      return { ...changed, result: made };
    });
  }

  /** For routes that make their own transactions: call it in the one that completes the request. */
  async remember(tx: StoreWriter, answer: JsonAnswer): Promise<void> {
    await this.#idempotent?.remember(tx, answer);
  }
}

/** The failure of somebody who lacks a permission. `object` goes into the audit log. */
export function forbidden(permission: Permission, scope?: string, object?: ObjectReference): GatewayError {
  const where = scope === undefined ? '' : ` ${scope}`;
  return new GatewayError('forbidden', `This needs the permission ${permission}${where}.`, {
    data: { permission },
    ...(object === undefined ? {} : { cause: new DeniedObject(object) }),
  });
}

/** Carries to the audit log what a denial was about, without showing it to the caller. */
export class DeniedObject extends Error {
  override readonly name = 'DeniedObject';
  readonly object: ObjectReference;

  constructor(object: ObjectReference) {
    super(`${object.kind} ${object.id}`);
    this.object = object;
  }
}
