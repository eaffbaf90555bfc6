/** What the API says of itself and of the caller. */
import { z } from 'zod';
import { ERRORS, type ErrorCode } from '../../shared/errors.ts';
import { noSuchObject } from '../objects.ts';
import { openApiDocument } from '../openapi/document.ts';
import { titleOf } from '../http/problem.ts';
import { route, type Route } from '../http/route.ts';

const TAG = 'About';

const grantSchema = z.object({
  team: z.string().nullable().meta({ description: 'For the objects of this team only; null = for all.' }),
  permissions: z.array(z.string()),
});

const meSchema = z
  .object({
    subject: z.string(),
    issuer: z.enum(['agent-id', 'mtls', 'api-token', 'jwt']),
    user: z.string().nullable(),
    teams: z.array(z.string()),
    grants: z.array(grantSchema),
    virtualServers: z.array(z.string()).nullable().meta({ description: 'Those that the token is confined to.' }),
  })
  .meta({ id: 'Me' });

const errorSchema = z
  .object({ code: z.string(), title: z.string(), status: z.int(), retryable: z.boolean(), meaning: z.string() })
  .meta({ id: 'ErrorExplanation' });

/** `all` is the whole table, these routes included. */
export function aboutRoutes(all: () => readonly Route[]): readonly Route[] {
  return [
    route({
      action: 'api.describe',
      method: 'GET',
      path: '/openapi.json',
      requires: { anybody: 'It is the same for everybody, and no secret.' },
      forConfinedTokens: true,
      tag: TAG,
      summary: 'This API as an OpenAPI 3.1 document',
      answers: { 200: { description: 'The document.', schema: z.record(z.string(), z.unknown()) } },
      handle: async ({ context }) => ({ body: openApiDocument(all(), context.version) }),
    }),
    route({
      action: 'api.explain-error',
      method: 'GET',
      path: '/errors/{code}',
      aliases: [],
      requires: { anybody: 'It is the same for everybody, and no secret.' },
      forConfinedTokens: true,
      tag: TAG,
      summary: 'Explains an error code; the `type` of every problem leads here',
      params: { code: z.string().max(100) },
      answers: { 200: { description: 'The explanation.', schema: errorSchema } },
      async handle({ params: { code } }) {
        if (!isErrorCode(code)) throw noSuchObject('error code', code);
        const { status, retryable, meaning } = ERRORS[code];
        return {
          body: { code, title: titleOf(code), status, retryable, meaning } satisfies z.infer<typeof errorSchema>,
        };
      },
    }),
    route({
      action: 'api.me',
      method: 'GET',
      path: '/me',
      requires: { anybody: 'Everybody may know what he may do.' },
      forConfinedTokens: true,
      tag: TAG,
      summary: 'Shows who the caller is, and what he may do',
      answers: { 200: { description: 'The caller.', schema: meSchema } },
      async handle({ principal: { subject, issuer, user, teams, grants, virtualServers } }) {
        return {
          body: {
            subject,
            issuer,
            user: user ?? null,
            teams: [...teams],
            grants: grants.map(({ team, permissions }) => ({
              team: team ?? null,
              permissions: [...permissions].toSorted(),
            })),
            virtualServers: virtualServers === undefined ? null : [...virtualServers],
          } satisfies z.infer<typeof meSchema>,
        };
      },
    }),
  ];
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}
