/** New TLS connections, as data: each does one call and closes. */
import { nginx } from '../contenders/nginx.ts';
import { variant } from '../contenders/variants.ts';
import type { LoadWorkload } from './load-workload.ts';

const CONNECTION = {
  request: { kind: 'call', answerSize: 150, padding: 20, events: 0 },
  era: 'modern',
  connections: 8,
  rate: 0,
  wire: 'http',
  servers: 1,
  tools: 1,
  contenders: [nginx, variant('gatehouse')],
} as const satisfies Partial<LoadWorkload>;

const CERTIFICATES = { ec: 'EC P-256', rsa: 'RSA 2048' } as const;

export const CONNECTION_WORKLOADS: readonly LoadWorkload[] = (['ec', 'rsa'] as const).flatMap((certificate) =>
  (['full', 'resumed'] as const).map((kind) => ({
    ...CONNECTION,
    name: `tls-${certificate}-${kind}`,
    title: `new TLS 1.3 connections, ${CERTIFICATES[certificate]}, ${kind === 'full' ? 'full handshakes' : 'resumed'}`,
    handshake: { certificate, kind },
  })),
);
