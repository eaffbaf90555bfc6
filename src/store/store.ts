/** What is kept between starts: registered servers and whatever is said of them, accounts, tokens, and the audit log. */
import type { Access, ItemKind, ItemOverride, ItemReference } from '../config/registration.ts';
import type { AuditLimits, PrunedAudit } from './audit/audit-limits.ts';
import type { StoreErrorCode, StoreMeasures, StoreStatus } from './store-status.ts';

/**
 * Everything that changes something goes through `change`, so that no change is without its line in the audit log: both
 * are written in one transaction, before the answer is sent.
 */
export interface Store extends StoreReader, AsyncDisposable {
  readonly engine: 'sqlite' | 'postgres';
  /**
   * Runs `work` in one transaction. What it resolves with goes into the audit log and to the caller; when it rejects,
   * nothing has happened. It has 30 s, may wait for nothing but `tx`, and makes no other change: all others wait for it.
   * Rejects with what `work` rejects with, or with a StoreError: `conflict` for a broken uniqueness or what is still in
   * use, `missing` for what is not there or referred to, `stale` for a wrong version, `full` when the disk is,
   * `unavailable` for anything else. A step that has failed makes the change fail, also when `work` has caught it.
   */
  change<T>(intent: ChangeIntent, work: (tx: StoreWriter) => Promise<Changed<T>>): Promise<T>;
  /** Writes a line about something that was refused. Resolves when it is durable; many at once share one transaction. */
  recordDenial(denial: Denial): Promise<void>;
  /** When tokens were last used, by their ids, in ms since the epoch. Neither audited nor a change of the configuration. */
  touchTokens(uses: ReadonlyMap<string, number>): Promise<void>;
  /** Adds what a server lists anew and marks what is gone. Neither audited nor a change of the configuration. */
  syncItems(server: string, items: readonly SeenItem[]): Promise<void>;
  /** Counts up with each change, also with those of other processes. */
  revision(): Promise<number>;
  /**
   * Takes the oldest lines out of the audit log, some ten thousand at most in one call, slowly enough for others to go
   * first. undefined when none is beyond a limit, or another process does it. Rejects without having removed anything
   * when these lines are not as they were written, or `through` has another hash. `signal` ends it early.
   */
  pruneAudit(limits: AuditLimits, actor: Actor, signal?: AbortSignal): Promise<PrunedAudit | undefined>;
  /** How the store is, without asking it. */
  status(): StoreStatus;
  /** What the store has counted and measured so far, without asking it. */
  measures(): StoreMeasures;
  /** Called when the store stops to answer, or to take changes, with the reason, and when it does again. Returns how to end it. */
  onStatus(listener: (status: StoreStatus, failure: StoreError | undefined) => void): () => void;
  /**
   * Called after each change that this process has made, or has noticed of another one; of several at once only the last
   * may be told. Never called within `change`. Returns how to end it.
   */
  onChange(listener: (revision: number) => void): () => void;
  /** Another process is known to have made this revision: whoever listens is told, without a look of its own. */
  noticed(revision: number): void;
}

export interface ChangeIntent {
  readonly actor: Actor;
  /** Such as `gateway.create`. */
  readonly action: string;
}

export interface Actor {
  readonly subject: string;
  readonly user: string | undefined;
  /** Correlation id of the request. */
  readonly requestId: string | undefined;
  /** Address of the peer. */
  readonly address: string | undefined;
}

export interface Changed<T> {
  readonly result: T;
  readonly object: ObjectReference;
  /** As anybody may see them: without secrets. undefined where there is none. */
  readonly before: unknown;
  readonly after: unknown;
  /** Objects that were changed with it, each with a line of its own. */
  readonly parts?: readonly ChangedPart[];
}

/** One of the objects of a change that changes many. */
export interface ChangedPart extends Pick<ChangeIntent, 'action'> {
  readonly object: ObjectReference;
  readonly before: unknown;
  readonly after: unknown;
}

export interface ObjectReference {
  /** Such as `gateway`, `server`, `tool`, `token`. */
  readonly kind: string;
  readonly id: string;
  readonly name: string | undefined;
}

export interface Denial extends ChangeIntent {
  readonly object: ObjectReference | undefined;
  /** Why, for the reader of the log. */
  readonly reason: string;
}

export interface StoreReader {
  gateway(id: string): Promise<GatewayRecord | undefined>;
  gatewayByName(name: string): Promise<GatewayRecord | undefined>;
  gateways(): Promise<readonly GatewayRecord[]>;
  virtualServer(id: string): Promise<VirtualServerRecord | undefined>;
  virtualServers(): Promise<readonly VirtualServerRecord[]>;
  overrides(): Promise<readonly OverrideRecord[]>;
  /** What servers have listed, for ids that stay and for what is unreachable at present. */
  items(filter: { readonly server?: string; readonly kind?: ItemKind }): Promise<readonly ItemRecord[]>;
  item(id: string): Promise<ItemRecord | undefined>;
  user(email: string): Promise<UserRecord | undefined>;
  users(): Promise<readonly UserRecord[]>;
  team(id: string): Promise<TeamRecord | undefined>;
  teams(): Promise<readonly TeamRecord[]>;
  memberships(filter: { readonly team?: string; readonly user?: string }): Promise<readonly MembershipRecord[]>;
  role(name: string): Promise<RoleRecord | undefined>;
  /** Without the built-in ones. */
  roles(): Promise<readonly RoleRecord[]>;
  roleBindings(filter: { readonly user?: string; readonly team?: string }): Promise<readonly RoleBindingRecord[]>;
  tokenByHash(hash: string): Promise<TokenRecord | undefined>;
  token(id: string): Promise<TokenRecord | undefined>;
  tokens(filter: { readonly user?: string }): Promise<readonly TokenRecord[]>;
  /** True when a JWT was revoked by its `jti`. */
  isRevoked(jti: string): Promise<boolean>;
  revocations(): Promise<readonly RevocationRecord[]>;
  idempotent(key: IdempotencyKey): Promise<IdempotencyRecord | undefined>;
  audit(query: AuditQuery): Promise<readonly AuditRecord[]>;
  /** Lines from number `from` on, in their order, each with the hash that it goes on from. */
  auditChain(from: number, limit: number): Promise<readonly ChainedAuditRecord[]>;
  /** Checks the whole chain; resolves with the first line that is wrong. */
  verifyAudit(): Promise<AuditVerdict>;
}

/** Emails are kept in lower case. Whatever is removed or changed by its id or key rejects with `missing` when it is not there. */
export interface StoreWriter extends StoreReader {
  /** Takes the place of a pending one of the same name whose lease is over. */
  insertGateway(record: NewRecord<GatewayRecord>): Promise<GatewayRecord>;
  /** `version` is the one that the writer has read; undefined = whatever there is. */
  updateGateway(id: string, version: number | undefined, fields: Changes<GatewayRecord>): Promise<GatewayRecord>;
  /** Together with its items, what was changed of them, and their places in virtual servers. */
  deleteGateway(id: string, version?: number): Promise<GatewayRecord>;
  insertVirtualServer(record: NewRecord<VirtualServerRecord>): Promise<VirtualServerRecord>;
  updateVirtualServer(
    id: string,
    version: number | undefined,
    fields: Changes<VirtualServerRecord>,
  ): Promise<VirtualServerRecord>;
  deleteVirtualServer(id: string, version?: number): Promise<VirtualServerRecord>;
  putOverride(override: ItemOverride, version: number | undefined): Promise<OverrideRecord>;
  deleteOverride(item: ItemReference, version?: number): Promise<void>;
  insertUser(record: NewRecord<UserRecord>): Promise<UserRecord>;
  updateUser(id: string, version: number | undefined, fields: Changes<UserRecord>): Promise<UserRecord>;
  /** Together with tokens, roles and memberships. */
  deleteUser(id: string, version?: number): Promise<UserRecord>;
  insertTeam(record: NewRecord<TeamRecord>): Promise<TeamRecord>;
  updateTeam(id: string, version: number | undefined, fields: Changes<TeamRecord>): Promise<TeamRecord>;
  deleteTeam(id: string, version?: number): Promise<TeamRecord>;
  putMembership(record: MembershipRecord): Promise<void>;
  deleteMembership(team: string, user: string): Promise<void>;
  insertRole(record: NewRecord<RoleRecord>): Promise<RoleRecord>;
  updateRole(id: string, version: number | undefined, fields: Changes<RoleRecord>): Promise<RoleRecord>;
  deleteRole(id: string, version?: number): Promise<RoleRecord>;
  putRoleBinding(binding: RoleBindingRecord): Promise<void>;
  deleteRoleBinding(binding: RoleBindingRecord): Promise<void>;
  insertToken(record: NewRecord<TokenRecord>): Promise<TokenRecord>;
  updateToken(id: string, version: number | undefined, fields: Changes<TokenRecord>): Promise<TokenRecord>;
  revoke(jti: string, expiresAt: number | undefined): Promise<void>;
  rememberIdempotent(record: IdempotencyRecord): Promise<void>;
}

/** What every row has. */
export interface Row {
  /** 32 lower-case hexadecimal digits, sortable by time of creation (UUID version 7 without hyphens). */
  readonly id: string;
  /** Counts up with each change, from 1; the ETag of the API. */
  readonly version: number;
  /** ms since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

export type NewRecord<T extends Row> = Omit<T, keyof Row> & { readonly id?: string };
export type Changes<T extends Row> = Partial<Omit<T, keyof Row>>;

/** A registered MCP server. */
export interface GatewayRecord extends Row {
  /** Unique over all registered servers; a server's name in the configuration. */
  readonly name: string;
  /** An entry as it would stand under `mcpServers` in a JSON configuration, with every secret value taken out. */
  readonly document: Readonly<Record<string, unknown>>;
  /**
   * The secret values of the document by their JSON pointer (RFC 6901), such as `/headers/Authorization`. Encrypted at
   * rest, decrypted here.
   */
  readonly secrets: Readonly<Record<string, string>>;
  readonly access: Access;
  readonly description: string | undefined;
  readonly tags: readonly string[];
  readonly enabled: boolean;
  /** `pending`: registered, and not yet reached for the first time. */
  readonly state: 'pending' | 'active';
  /** Until when a synchronous registration holds a pending row, ms since the epoch; a crash leaves it to the next start. */
  readonly leaseUntil: number | undefined;
}

export interface VirtualServerRecord extends Row {
  /** Unique over all virtual servers. */
  readonly name: string;
  readonly description: string | undefined;
  readonly access: Access;
  readonly tags: readonly string[];
  readonly items: readonly ItemReference[];
  readonly enabled: boolean;
}

export interface OverrideRecord extends ItemOverride, Row {}

export interface SeenItem {
  readonly kind: ItemKind;
  readonly key: string;
  /** The item as its server listed it, raw JSON text. */
  readonly text: string;
}

export interface ItemRecord extends SeenItem, Row {
  /** Name of its server. */
  readonly server: string;
  /** False once its server does not list it any more. */
  readonly present: boolean;
}

export interface UserRecord extends Row {
  /** Unique, lower case. */
  readonly email: string;
  readonly fullName: string | undefined;
  readonly enabled: boolean;
}

export interface TeamRecord extends Row {
  /** Unique. */
  readonly name: string;
  readonly description: string | undefined;
}

export interface MembershipRecord {
  readonly team: string;
  /** Email address. */
  readonly user: string;
  readonly role: 'member' | 'owner';
}

export interface RoleRecord extends Row {
  /** Unique, and none of the built-in names. */
  readonly name: string;
  readonly description: string | undefined;
  readonly permissions: readonly string[];
}

export interface RoleBindingRecord {
  /** Email address. */
  readonly user: string;
  /** A built-in role or one of the store. */
  readonly role: string;
  /** Holds for the objects of this team only; undefined = for all. */
  readonly team: string | undefined;
}

/** An API token. The token itself is nowhere; only its hash is. */
export interface TokenRecord extends Row {
  readonly name: string;
  /** Email address of the user whose permissions it narrows. */
  readonly user: string;
  /** SHA-256 of the token, lower-case hexadecimal. */
  readonly hash: string;
  /** What identifies it to people: its first characters. */
  readonly prefix: string;
  /** undefined = all that its user may do. */
  readonly permissions: readonly string[] | undefined;
  /** Ids of virtual servers; undefined = any. */
  readonly virtualServers: readonly string[] | undefined;
  /** Ids of teams; undefined = all of its user's. */
  readonly teams: readonly string[] | undefined;
  /** CIDR ranges that it may be used from; undefined = any. */
  readonly addresses: readonly string[] | undefined;
  readonly hours: TokenHours | undefined;
  /** ms since the epoch; undefined = never. */
  readonly expiresAt: number | undefined;
  readonly lastUsedAt: number | undefined;
  readonly revokedAt: number | undefined;
}

/** When a token may be used. */
export interface TokenHours {
  /** IANA name such as `Europe/Berlin`. */
  readonly timeZone: string;
  /** 0 = Sunday to 6 = Saturday. */
  readonly days: readonly number[];
  /** `HH:MM`; from inclusive, to exclusive. */
  readonly from: string;
  readonly to: string;
}

export interface RevocationRecord {
  readonly jti: string;
  /** When the row may go, ms since the epoch; undefined = never. */
  readonly expiresAt: number | undefined;
}

export interface IdempotencyKey {
  readonly subject: string;
  readonly key: string;
}

/** The answer to a creation, kept for a day. */
export interface IdempotencyRecord extends IdempotencyKey {
  /** SHA-256 of method, path and body: the same key with another request is an error. */
  readonly fingerprint: string;
  readonly status: number;
  readonly body: string;
  readonly createdAt: number;
}

export interface AuditQuery {
  /** Lines before this sequence number, newest first; undefined = from the newest. */
  readonly before?: number;
  readonly limit: number;
  readonly action?: string;
  readonly subject?: string;
  readonly objectId?: string;
}

export interface AuditRecord {
  /** From 1, without gaps. */
  readonly sequence: number;
  /** ms since the epoch. */
  readonly at: number;
  readonly outcome: 'done' | 'denied';
  readonly actor: Actor;
  readonly action: string;
  readonly object: ObjectReference | undefined;
  readonly before: unknown;
  readonly after: unknown;
  readonly reason: string | undefined;
  /** SHA-256 over the hash of the line before and everything in this one, lower-case hexadecimal. */
  readonly hash: string;
}

/** A line with everything that its hash covers. */
export interface ChainedAuditRecord extends AuditRecord {
  /** Hash of the line before; empty for the first. */
  readonly previous: string;
}

export type AuditVerdict =
  | {
      readonly ok: true;
      /** How many are there. */
      readonly lines: number;
      /** Number and hash of the newest. */
      readonly newest: number;
      readonly head: string;
      /** Lines 1 to this one were removed; the log knows of it. */
      readonly removed: number;
    }
  | { readonly ok: false; readonly lines: number; readonly sequence: number; readonly reason: string };

export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
