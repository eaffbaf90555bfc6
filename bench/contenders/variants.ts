/** The variants of Gatehouse that take part, by name. */
import { gatehouse, type GatehouseVariant } from './gatehouse.ts';

const ALL = 'authentication, authorization, validation, routing, limits, metrics, access log';

const VARIANTS = {
  gatehouse: { name: 'gatehouse', does: `everything on: ${ALL}` },
  'gatehouse-slow': {
    name: 'gatehouse-slow',
    does: 'the same without the fast path',
    flags: ['--fast-path', 'off'],
  },
  'gatehouse-rs256': { name: 'gatehouse-rs256', does: 'with JWTs of 32 users, RS256, local key', credential: 'RS256' },
  'gatehouse-es256': { name: 'gatehouse-es256', does: 'with JWTs of 32 users, ES256, local key', credential: 'ES256' },
  'gatehouse-token': {
    name: 'gatehouse-token',
    does: 'with an API token, over an embedded store',
    credential: 'api-token',
  },
  'gatehouse-unified': {
    name: 'gatehouse-unified',
    does: 'at the endpoint that all servers share',
    endpoint: 'unified',
  },
  'gatehouse-modern': {
    name: 'gatehouse-modern',
    does: 'modern clients, 32 users with JWTs, at the endpoint that all servers share',
    endpoint: 'unified',
    credential: 'RS256',
  },
  'gatehouse-virtual': {
    name: 'gatehouse-virtual',
    does: 'at a virtual server with one tool, with an API token',
    endpoint: 'virtual',
  },
  'gatehouse-2-workers': {
    name: 'gatehouse-2-workers',
    does: 'with two processes behind the port',
    flags: ['--workers', '2'],
  },
  'gatehouse-container': {
    name: 'gatehouse-container',
    does: 'to a server in a container: engine command and server are counted, the engine is beside it',
    server: 'container',
  },
} as const satisfies Readonly<Record<string, GatehouseVariant>>;

export type VariantName = keyof typeof VARIANTS;

export const variant = (name: VariantName): ReturnType<typeof gatehouse> => gatehouse(VARIANTS[name]);
