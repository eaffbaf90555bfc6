/** The ways that messages take through the gateway: who sends, who answers, and what the gateway is told to do with it. */
import type { ClientKind } from './clients.ts';
import type { Era } from './server.ts';

export interface Way {
  /** Head of its column. */
  readonly name: string;
  readonly client: ClientKind;
  readonly server: { readonly era: Era; readonly wire: 'json' | 'events' | 'container' };
  /** On the endpoint of all servers. */
  readonly unified?: boolean;
  /** Results above the threshold are written to files. */
  readonly payloads?: boolean;
}

const MODERN = { era: 'modern', wire: 'json' } as const;
const LEGACY = { era: 'legacy', wire: 'json' } as const;

export const WAYS: readonly Way[] = [
  { name: 'modern', client: 'modern', server: MODERN },
  { name: 'modern, `node:http`', client: 'modern in chunks', server: MODERN },
  { name: 'modern, all servers', client: 'modern', server: MODERN, unified: true },
  { name: 'server answers with events', client: 'modern', server: { era: 'modern', wire: 'events' } },
  { name: 'payload storage', client: 'modern', server: MODERN, payloads: true },
  { name: 'legacy', client: 'legacy', server: LEGACY },
  { name: 'modern client, legacy server', client: 'modern', server: LEGACY },
  { name: 'legacy client, modern server', client: 'legacy', server: MODERN },
  { name: 'WebSocket client', client: 'websocket', server: LEGACY },
  { name: 'HTTP+SSE client', client: 'sse', server: LEGACY },
  { name: 'container', client: 'modern', server: { era: 'modern', wire: 'container' } },
  { name: 'container, legacy', client: 'legacy', server: { era: 'legacy', wire: 'container' } },
];
