/** Everything that can be changed, within one transaction. */
import type { ItemOverride, ItemReference } from '../config/registration.ts';
import type { Tx } from './engine/engine.ts';
import type { Vault } from './secrets/vault.ts';
import { SqlReader } from './sql-reader.ts';
import type * as contract from './store.ts';
import { StoreError } from './store.ts';
import * as accounts from './tables/accounts.ts';
import { ROLES, TEAMS, TOKENS, USERS } from './tables/entities.ts';
import { insert, remove, update } from './tables/entity.ts';
import { deleteGateway, insertGateway, updateGateway } from './tables/gateways.ts';
import { deleteOverride, putOverride } from './tables/items.ts';
import { rememberAnswer, revoke } from './tables/tokens.ts';
import { deleteVirtualServer, insertVirtualServer, updateVirtualServer } from './tables/virtual-servers.ts';

type Version = number | undefined;

export class SqlWriter extends SqlReader implements contract.StoreWriter {
  readonly #tx: Tx;
  readonly #vault: Vault;
  /** Of the key that secrets are sealed with. */
  readonly #keyId: string;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(tx: Tx, vault: Vault, keyId: string) {
    super(tx, vault);
    this.#tx = tx;
    this.#vault = vault;
    this.#keyId = keyId;
  }

  /** Nothing can be done with it any more. */
  end(): void {
    this.#ended = true;
  }

  /** What a step has failed with, even if that was caught: a transaction is done whole or not at all. */
  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  protected override async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#ended)
      throw new StoreError('unavailable', 'The transaction has ended; nothing can be done in it any more.');
    try {
      return await super.run(work);
    } catch (error) {
      // PostgreSQL has given the whole transaction up by now, SQLite has not: neither goes on.
      this.#failure ??= { error };
      throw error;
    }
  }

  async insertGateway(record: contract.NewRecord<contract.GatewayRecord>): Promise<contract.GatewayRecord> {
    return this.run(async () => insertGateway(this.#tx, this.#vault, this.#keyId, record));
  }
  async updateGateway(
    id: string,
    version: Version,
    fields: contract.Changes<contract.GatewayRecord>,
  ): Promise<contract.GatewayRecord> {
    return this.run(async () => updateGateway(this.#tx, this.#vault, this.#keyId, id, version, fields));
  }
  async deleteGateway(id: string, version?: number): Promise<contract.GatewayRecord> {
    return this.run(async () => deleteGateway(this.#tx, this.#vault, id, version));
  }
  async insertVirtualServer(
    record: contract.NewRecord<contract.VirtualServerRecord>,
  ): Promise<contract.VirtualServerRecord> {
    return this.run(async () => insertVirtualServer(this.#tx, record));
  }
  async updateVirtualServer(
    id: string,
    version: Version,
    fields: contract.Changes<contract.VirtualServerRecord>,
  ): Promise<contract.VirtualServerRecord> {
    return this.run(async () => updateVirtualServer(this.#tx, id, version, fields));
  }
  async deleteVirtualServer(id: string, version?: number): Promise<contract.VirtualServerRecord> {
    return this.run(async () => deleteVirtualServer(this.#tx, id, version));
  }
  async putOverride(override: ItemOverride, version: Version): Promise<contract.OverrideRecord> {
    return this.run(async () => putOverride(this.#tx, override, version));
  }
  async deleteOverride(item: ItemReference, version?: number): Promise<void> {
    await this.run(async () => deleteOverride(this.#tx, item, version));
  }
  async insertUser(record: contract.NewRecord<contract.UserRecord>): Promise<contract.UserRecord> {
    return this.run(async () => insert(this.#tx, USERS, record));
  }
  async updateUser(
    id: string,
    version: Version,
    fields: contract.Changes<contract.UserRecord>,
  ): Promise<contract.UserRecord> {
    return this.run(async () => accounts.updateUser(this.#tx, id, version, fields));
  }
  async deleteUser(id: string, version?: number): Promise<contract.UserRecord> {
    return this.run(async () => remove(this.#tx, USERS, id, version));
  }
  async insertTeam(record: contract.NewRecord<contract.TeamRecord>): Promise<contract.TeamRecord> {
    return this.run(async () => insert(this.#tx, TEAMS, record));
  }
  async updateTeam(
    id: string,
    version: Version,
    fields: contract.Changes<contract.TeamRecord>,
  ): Promise<contract.TeamRecord> {
    return this.run(async () => update(this.#tx, TEAMS, id, version, fields));
  }
  async deleteTeam(id: string, version?: number): Promise<contract.TeamRecord> {
    return this.run(async () => remove(this.#tx, TEAMS, id, version));
  }
  async putMembership(record: contract.MembershipRecord): Promise<void> {
    await this.run(async () => accounts.putMembership(this.#tx, record));
  }
  async deleteMembership(team: string, user: string): Promise<void> {
    await this.run(async () => accounts.deleteMembership(this.#tx, team, user));
  }
  async insertRole(record: contract.NewRecord<contract.RoleRecord>): Promise<contract.RoleRecord> {
    return this.run(async () => insert(this.#tx, ROLES, record));
  }
  async updateRole(
    id: string,
    version: Version,
    fields: contract.Changes<contract.RoleRecord>,
  ): Promise<contract.RoleRecord> {
    return this.run(async () => accounts.updateRole(this.#tx, id, version, fields));
  }
  async deleteRole(id: string, version?: number): Promise<contract.RoleRecord> {
    return this.run(async () => remove(this.#tx, ROLES, id, version));
  }
  async putRoleBinding(binding: contract.RoleBindingRecord): Promise<void> {
    await this.run(async () => accounts.putRoleBinding(this.#tx, binding));
  }
  async deleteRoleBinding(binding: contract.RoleBindingRecord): Promise<void> {
    await this.run(async () => accounts.deleteRoleBinding(this.#tx, binding));
  }
  async insertToken(record: contract.NewRecord<contract.TokenRecord>): Promise<contract.TokenRecord> {
    return this.run(async () => insert(this.#tx, TOKENS, record));
  }
  async updateToken(
    id: string,
    version: Version,
    fields: contract.Changes<contract.TokenRecord>,
  ): Promise<contract.TokenRecord> {
    return this.run(async () => update(this.#tx, TOKENS, id, version, fields));
  }
  async revoke(jti: string, expiresAt: number | undefined): Promise<void> {
    await this.run(async () => revoke(this.#tx, { jti, expiresAt }));
  }
  async rememberIdempotent(record: contract.IdempotencyRecord): Promise<void> {
    await this.run(async () => rememberAnswer(this.#tx, record));
  }
}
