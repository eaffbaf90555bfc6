/** Everything that can be read, outside of a transaction or within one. */
import { readChain } from './audit/audit-export.ts';
import { queryAudit } from './audit/audit-log.ts';
import { verifyAudit } from './audit/verify-audit.ts';
import { asStoreError } from './engine/database-error.ts';
import type { Db } from './engine/engine.ts';
import type { Vault } from './secrets/vault.ts';
import type * as contract from './store.ts';
import { readMemberships, readRoleBindings } from './tables/accounts.ts';
import { ITEMS, OVERRIDES, ROLES, TEAMS, TOKENS, USERS } from './tables/entities.ts';
import { findAll, findOne } from './tables/entity.ts';
import { readGateway, readGateways } from './tables/gateways.ts';
import { readItems } from './tables/items.ts';
import { isRevoked, readAnswer, readRevocations } from './tables/tokens.ts';
import { readVirtualServer, readVirtualServers } from './tables/virtual-servers.ts';

export class SqlReader implements contract.StoreReader {
  readonly #db: Db;
  readonly #vault: Vault;

  constructor(db: Db, vault: Vault) {
    this.#db = db;
    this.#vault = vault;
  }

  /** Every access to the database goes through here. Rejects with a StoreError for whatever the database says. */
  protected async run<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw asStoreError(error);
    }
  }

  async gateway(id: string): Promise<contract.GatewayRecord | undefined> {
    return this.run(async () => readGateway(this.#db, this.#vault, 'id', id));
  }
  async gatewayByName(name: string): Promise<contract.GatewayRecord | undefined> {
    return this.run(async () => readGateway(this.#db, this.#vault, 'name', name));
  }
  async gateways(): Promise<readonly contract.GatewayRecord[]> {
    return this.run(async () => readGateways(this.#db, this.#vault));
  }
  async virtualServer(id: string): Promise<contract.VirtualServerRecord | undefined> {
    return this.run(async () => readVirtualServer(this.#db, id));
  }
  async virtualServers(): Promise<readonly contract.VirtualServerRecord[]> {
    return this.run(async () => readVirtualServers(this.#db));
  }
  async overrides(): Promise<readonly contract.OverrideRecord[]> {
    return this.run(async () => findAll(this.#db, OVERRIDES));
  }
  async items(filter: Parameters<contract.StoreReader['items']>[0]): Promise<readonly contract.ItemRecord[]> {
    return this.run(async () => readItems(this.#db, filter));
  }
  async item(id: string): Promise<contract.ItemRecord | undefined> {
    return this.run(async () => findOne(this.#db, ITEMS, 'id', id));
  }
  async user(email: string): Promise<contract.UserRecord | undefined> {
    return this.run(async () => findOne(this.#db, USERS, 'email', email.toLowerCase()));
  }
  async users(): Promise<readonly contract.UserRecord[]> {
    return this.run(async () => findAll(this.#db, USERS));
  }
  async team(id: string): Promise<contract.TeamRecord | undefined> {
    return this.run(async () => findOne(this.#db, TEAMS, 'id', id));
  }
  async teams(): Promise<readonly contract.TeamRecord[]> {
    return this.run(async () => findAll(this.#db, TEAMS));
  }
  async memberships(
    filter: Parameters<contract.StoreReader['memberships']>[0],
  ): Promise<readonly contract.MembershipRecord[]> {
    return this.run(async () => readMemberships(this.#db, filter));
  }
  async role(name: string): Promise<contract.RoleRecord | undefined> {
    return this.run(async () => findOne(this.#db, ROLES, 'name', name));
  }
  async roles(): Promise<readonly contract.RoleRecord[]> {
    return this.run(async () => findAll(this.#db, ROLES));
  }
  async roleBindings(
    filter: Parameters<contract.StoreReader['roleBindings']>[0],
  ): Promise<readonly contract.RoleBindingRecord[]> {
    return this.run(async () => readRoleBindings(this.#db, filter));
  }
  async tokenByHash(hash: string): Promise<contract.TokenRecord | undefined> {
    return this.run(async () => findOne(this.#db, TOKENS, 'hash', hash));
  }
  async token(id: string): Promise<contract.TokenRecord | undefined> {
    return this.run(async () => findOne(this.#db, TOKENS, 'id', id));
  }
  async tokens(filter: { readonly user?: string }): Promise<readonly contract.TokenRecord[]> {
    return this.run(async () => findAll(this.#db, TOKENS, { user_email: filter.user?.toLowerCase() }));
  }
  async isRevoked(jti: string): Promise<boolean> {
    return this.run(async () => isRevoked(this.#db, jti));
  }
  async revocations(): Promise<readonly contract.RevocationRecord[]> {
    return this.run(async () => readRevocations(this.#db));
  }
  async idempotent(key: contract.IdempotencyKey): Promise<contract.IdempotencyRecord | undefined> {
    return this.run(async () => readAnswer(this.#db, key));
  }
  async audit(query: contract.AuditQuery): Promise<readonly contract.AuditRecord[]> {
    return this.run(async () => queryAudit(this.#db, query));
  }
  async auditChain(from: number, limit: number): Promise<readonly contract.ChainedAuditRecord[]> {
    return this.run(async () => readChain(this.#db, this.#vault, from, limit));
  }
  async verifyAudit(): Promise<contract.AuditVerdict> {
    return this.run(async () => verifyAudit(this.#db, this.#vault));
  }
}
