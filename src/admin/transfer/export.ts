/** Writes down everything that is managed and that the caller may export. */
import type { z } from 'zod';
import { joinSecrets } from '../../config/entry-secrets.ts';
import type { Access } from '../../config/registration.ts';
import { MASK } from '../contract/gateways.ts';
import type { Transfer, TransferAccess, TransferPart, transferSchema } from '../contract/transfer.ts';
import type { Call } from '../http/call.ts';
import { visibleServers } from '../known-servers.ts';
import { iso, listable } from '../objects.ts';

type TransferDocument = z.input<typeof transferSchema>;

export interface ExportWish {
  readonly parts: ReadonlySet<TransferPart>;
  /** Secrets as they are, instead of masks. */
  readonly secrets: boolean;
}

/** Accounts are left out for whoever may not read them. Tokens are never exported: they could not be used elsewhere. */
export async function exportAll(call: Call, { parts, secrets }: ExportWish): Promise<TransferDocument> {
  const { store, version } = call.context;
  const teams = new Map((await store.teams()).map(({ id, name }) => [id, name]));
  const accessOf = ({ visibility, owner, team }: Access): TransferAccess => ({
    visibility,
    owner: owner ?? null,
    team: team === undefined ? null : (teams.get(team) ?? null),
  });
  const document: Mutable<TransferDocument> = {
    format: 'gatehouse',
    formatVersion: 1,
    exportedAt: iso(Date.now()),
    gatewayVersion: version,
  };
  if (parts.has('roles') && call.may('roles.read')) {
    document.roles = (await store.roles()).map(({ name, description, permissions }) => ({
      name,
      description: description ?? null,
      permissions: [...permissions] as Transfer['roles'][number]['permissions'],
    }));
  }
  if (parts.has('users') && call.may('users.read') && call.may('roles.read')) {
    const bindings = Map.groupBy(await store.roleBindings({}), ({ user }) => user);
    document.users = (await store.users()).map(({ email, fullName, enabled }) => ({
      email,
      fullName: fullName ?? null,
      enabled,
      roles: (bindings.get(email) ?? []).map(({ role, team }) => ({
        role,
        team: team === undefined ? null : (teams.get(team) ?? null),
      })),
    }));
  }
  if (parts.has('teams') && call.may('teams.read')) {
    const members = Map.groupBy(await store.memberships({}), ({ team }) => team);
    document.teams = (await store.teams()).map(({ id, name, description }) => ({
      name,
      description: description ?? null,
      members: (members.get(id) ?? []).map(({ user, role }) => ({ user, role })),
    }));
  }
  if (parts.has('gateways')) {
    const records = (await store.gateways()).filter(({ leaseUntil }) => leaseUntil === undefined);
    document.gateways = listable(call, records, 'config.export').map((record) => ({
      name: record.name,
      description: record.description ?? null,
      ...accessOf(record.access),
      tags: [...record.tags],
      enabled: record.enabled,
      entry: (secrets && call.may('config.export-secrets', record.access)
        ? joinSecrets(record)
        : joinSecrets(record, () => MASK)) as Transfer['gateways'][number]['entry'],
    }));
  }
  const visible = await visibleServers(call);
  if (parts.has('servers')) {
    document.servers = listable(call, await store.virtualServers(), 'config.export').map((record) => ({
      name: record.name,
      description: record.description ?? null,
      ...accessOf(record.access),
      tags: [...record.tags],
      enabled: record.enabled,
      items: record.items
        .filter(({ server }) => visible.has(server))
        .map(({ server, kind, key }) => ({ server, kind, key })),
    }));
  }
  if (parts.has('items')) {
    document.items = (await store.overrides())
      .filter(({ server }) => {
        const known = visible.get(server);
        return known !== undefined && call.may('config.export', known.access);
      })
      .map(({ server, kind, key, enabled, name, title, description, annotations, tags }) => ({
        server,
        kind,
        key,
        enabled,
        name: name ?? null,
        title: title ?? null,
        description: description ?? null,
        annotations: annotations ?? null,
        tags: [...tags],
      }));
  }
  return document;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
