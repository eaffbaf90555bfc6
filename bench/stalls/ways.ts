/** The ways that messages take through the gateway: who sends, who answers, and what the gateway is told to do with it. */
import type { ClientKind } from './clients.ts';
import type { Era } from './server.ts';

export interface Way {
  /** On the command line. */
  readonly name: string;
  readonly title: string;
  readonly how: string;
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
  {
    name: 'modern',
    title: 'Modern, over HTTP',
    how: 'Requests on the fast path; answers are passed on while they come.',
    client: 'modern',
    server: MODERN,
  },
  {
    name: 'slow-path',
    title: 'Modern, over `node:http`',
    how: 'Requests in chunks, which the fast path leaves to Node.',
    client: 'modern in chunks',
    server: MODERN,
  },
  {
    name: 'events',
    title: 'Modern, answered with events',
    how: 'The server answers with an event stream.',
    client: 'modern',
    server: { era: 'modern', wire: 'events' },
  },
  {
    name: 'unified',
    title: 'Modern, on the endpoint of all servers',
    how: 'Names of tools and resources change on the way.',
    client: 'modern',
    server: MODERN,
    unified: true,
  },
  {
    name: 'payload-storage',
    title: 'Payload storage',
    how: 'A guard writes large results to files and describes them.',
    client: 'modern',
    server: MODERN,
    payloads: true,
  },
  {
    name: 'legacy',
    title: 'Legacy, over HTTP',
    how: 'Client and server of 2025-11-25.',
    client: 'legacy',
    server: LEGACY,
  },
  {
    name: 'modern-to-legacy',
    title: 'Modern client, legacy server',
    how: 'The bridge between the eras.',
    client: 'modern',
    server: LEGACY,
  },
  {
    name: 'legacy-to-modern',
    title: 'Legacy client, modern server',
    how: 'The same in the other direction.',
    client: 'legacy',
    server: MODERN,
  },
  {
    name: 'websocket',
    title: 'WebSocket client',
    how: 'Each message is one frame.',
    client: 'websocket',
    server: LEGACY,
  },
  {
    name: 'sse',
    title: 'HTTP+SSE client',
    how: 'Messages are posted, answers come on one stream.',
    client: 'sse',
    server: LEGACY,
  },
  {
    name: 'container',
    title: 'Container, modern',
    how: 'The server reads and writes lines.',
    client: 'modern',
    server: { era: 'modern', wire: 'container' },
  },
  {
    name: 'container-legacy',
    title: 'Container, legacy',
    how: 'The same in a session.',
    client: 'legacy',
    server: { era: 'legacy', wire: 'container' },
  },
];
