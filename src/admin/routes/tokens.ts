/** `/tokens`: API tokens. Everybody may have some for himself; `tokens.write` is for those of others. */
import { z } from 'zod';
import { mayForHimself } from '../../auth/authorize.ts';
import { createTokenText, subjectOfToken } from '../../auth/token-text.ts';
import type { TokenRecord } from '../../store/store.ts';
import { tokenOfContextForge } from '../compatibility.ts';
import { emailSchema } from '../contract/accounts.ts';
import { idSchema } from '../contract/common.ts';
import {
  mintedTokenSchema,
  revocationInput,
  revocationSchema,
  tokenChange,
  tokenInput,
  tokenSchema,
} from '../contract/tokens.ts';
import type { Call } from '../http/call.ts';
import { pageOf, pageQuery, paged } from '../http/page.ts';
import { route, type JsonAnswer, type Route } from '../http/route.ts';
import { iso, noSuchObject } from '../objects.ts';
import { tokenScope } from '../token-scope.ts';

const TAG = 'Tokens';
const params = { id: idSchema.meta({ description: 'Id.' }) };
const shown = { description: 'The token, without the token itself.', schema: tokenSchema };
const READ = {
  permission: 'tokens.read',
  otherwise: 'Everybody may see his own tokens; with a token that is narrowed to permissions, that one.',
} as const;
const WRITE = {
  permission: 'tokens.write',
  otherwise: 'Everybody may have tokens for himself, unless he calls with one that is narrowed to permissions.',
} as const;

export const TOKEN_ROUTES: readonly Route[] = [
  route({
    action: 'token.list',
    method: 'GET',
    path: '/tokens',
    requires: READ,
    tag: TAG,
    summary: 'Lists API tokens',
    query: {
      ...pageQuery,
      user: emailSchema.optional().meta({ description: 'Only those of this user.' }),
      active: z
        .enum(['true', 'false'])
        .transform((value) => value === 'true')
        .optional()
        .meta({ description: 'Only those that can still be used, or only those that cannot.' }),
    },
    answers: { 200: { description: 'One page.', schema: pageOf(tokenSchema) } },
    async handle(call) {
      const { user, active } = call.query;
      const all = await call.context.store.tokens(user === undefined ? {} : { user });
      const mayAll = call.may('tokens.read');
      const tokens = all.filter(
        (token) =>
          (mayAll || isOwn(call, token, 'tokens.read')) && (active === undefined || isActive(token) === active),
      );
      return { body: paged(tokens, ({ id }) => id, call.query, present) };
    },
  }),
  route({
    action: 'token.create',
    method: 'POST',
    path: '/tokens',
    requires: WRITE,
    tag: TAG,
    summary: 'Makes an API token, and shows it this once',
    description:
      'A token never allows more than its user may do, nor more than whoever makes it: made by means of another token, it is confined as that one is. For others it also needs `visibility.all`.',
    body: tokenInput,
    normalize: tokenOfContextForge,
    answers: { 201: { description: 'The token. Keep it: it is not shown again.', schema: mintedTokenSchema } },
    async handle(call) {
      const scope = await tokenScope(call, call.body);
      const { text, hash, prefix } = createTokenText();
      return call.change(
        async (tx) => {
          const record = await tx.insertToken({
            ...scope,
            name: call.body.name,
            hash,
            prefix,
            lastUsedAt: undefined,
            revokedAt: undefined,
          });
          return { result: record, object: referenceTo(record), before: undefined, after: present(record) };
        },
        (record) => ({
          body: { ...present(record), token: text } satisfies z.infer<typeof mintedTokenSchema>,
          etag: String(record.version),
          status: 201,
          headers: { location: `/v1/tokens/${record.id}` },
        }),
      );
    },
  }),
  route({
    action: 'token.read',
    method: 'GET',
    path: '/tokens/{id}',
    requires: READ,
    tag: TAG,
    summary: 'Shows an API token, without the token itself',
    params,
    answers: { 200: shown },
    handle: async (call) => one(await find(call, call.params.id, 'tokens.read')),
  }),
  route({
    action: 'token.update',
    method: 'PUT',
    path: '/tokens/{id}',
    requires: WRITE,
    tag: TAG,
    summary: 'Gives an API token another name',
    description: 'What a token allows cannot be changed: make a new one.',
    params,
    body: tokenChange,
    answers: { 200: shown },
    errors: ['stale_version'],
    async handle(call) {
      const before = await find(call, call.params.id, 'tokens.write');
      return update(call, before, { name: call.body.name }, one);
    },
  }),
  route({
    action: 'token.revoke',
    method: 'DELETE',
    path: '/tokens/{id}',
    requires: WRITE,
    tag: TAG,
    summary: 'Revokes an API token',
    description: 'It counts at once. The token stays in the list, as revoked.',
    params,
    answers: { 204: { description: 'The token is revoked.' } },
    errors: ['stale_version'],
    async handle(call) {
      const before = await find(call, call.params.id, 'tokens.write');
      if (before.revokedAt !== undefined) return { status: 204 };
      return update(call, before, { revokedAt: Date.now() }, () => ({ status: 204 }));
    },
  }),
  route({
    action: 'revocation.list',
    method: 'GET',
    path: '/revocations',
    requires: { permission: 'tokens.read' },
    tag: TAG,
    summary: 'Lists the JWTs that are revoked',
    query: pageQuery,
    answers: { 200: { description: 'One page.', schema: pageOf(revocationSchema) } },
    async handle(call) {
      call.need('tokens.read');
      const all = await call.context.store.revocations();
      return {
        body: paged(
          all,
          ({ jti }) => jti,
          call.query,
          ({ jti, expiresAt }) => ({
            jti,
            expiresAt: expiresAt === undefined ? null : iso(expiresAt),
          }),
        ),
      };
    },
  }),
  route({
    action: 'revocation.create',
    method: 'POST',
    path: '/revocations',
    requires: { permission: 'tokens.write' },
    tag: TAG,
    summary: 'Revokes a JWT by its `jti`',
    description: 'It counts at once, and cannot be taken back.',
    body: revocationInput,
    answers: { 204: { description: 'The JWT is revoked.' } },
    async handle(call) {
      call.need('tokens.write');
      const { jti, expiresAt } = call.body;
      return call.change(
        async (tx) => {
          await tx.revoke(jti, expiresAt === undefined ? undefined : Date.parse(expiresAt));
          return {
            result: undefined,
            object: { kind: 'jwt', id: jti, name: undefined },
            before: undefined,
            after: { jti },
          };
        },
        () => ({ status: 204 }),
      );
    },
  }),
];

async function find(call: Call, id: string, permission: 'tokens.read' | 'tokens.write'): Promise<TokenRecord> {
  const token = await call.context.store.token(id);
  if (token === undefined) throw noSuchObject('token', id);
  const isVisible = isOwn(call, token, permission) || call.may('tokens.read') || call.may(permission);
  if (!isVisible) throw noSuchObject('token', id, referenceTo(token));
  if (!isOwn(call, token, permission)) call.need(permission, undefined, referenceTo(token));
  return token;
}

/** His, and his to use for this; the very token that he calls with is so in any case. */
function isOwn({ principal }: Call, { id, user }: TokenRecord, permission: 'tokens.read' | 'tokens.write'): boolean {
  return principal.user === user && (mayForHimself(principal, permission) || principal.subject === subjectOfToken(id));
}

async function update(
  call: Call,
  before: TokenRecord,
  fields: Partial<TokenRecord>,
  answer: (record: TokenRecord) => JsonAnswer,
): Promise<JsonAnswer> {
  return call.change(async (tx) => {
    const record = await tx.updateToken(before.id, call.ifVersion, fields);
    return { result: record, object: referenceTo(record), before: present(before), after: present(record) };
  }, answer);
}

function one(record: TokenRecord): JsonAnswer {
  return { body: present(record), etag: String(record.version) };
}

function isActive({ revokedAt, expiresAt }: TokenRecord): boolean {
  return revokedAt === undefined && (expiresAt === undefined || expiresAt > Date.now());
}

function present(record: TokenRecord): z.infer<typeof tokenSchema> {
  const time = (ms: number | undefined): string | null => (ms === undefined ? null : iso(ms));
  const list = (values: readonly string[] | undefined): string[] | null => (values === undefined ? null : [...values]);
  return {
    id: record.id,
    name: record.name,
    user: record.user,
    prefix: record.prefix,
    permissions: list(record.permissions),
    virtualServers: list(record.virtualServers),
    teams: list(record.teams),
    addresses: list(record.addresses),
    hours: record.hours === undefined ? null : { ...record.hours, days: [...record.hours.days] },
    expiresAt: time(record.expiresAt),
    lastUsedAt: time(record.lastUsedAt),
    revokedAt: time(record.revokedAt),
    active: isActive(record),
    createdAt: iso(record.createdAt),
    updatedAt: iso(record.updatedAt),
  };
}

function referenceTo({ id, name }: TokenRecord): { kind: string; id: string; name: string } {
  return { kind: 'token', id, name };
}
