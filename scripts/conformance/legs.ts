/** The legs of the conformance run: who speaks which era on either side of the gateway, and what the gateway serves. */
import type { Build } from '../../test/fixtures/servers/conformance/build.ts';
import type { Revision } from './suite.ts';

export type Era = 'modern' | 'legacy';

export interface Leg {
  /** Also the name of the file with its expected failures. */
  readonly name: string;
  readonly client: Era;
  readonly server: Era;
  readonly wire: 'http' | 'container';
  /** One server under its own path, or three servers under one path with their names as they are. */
  readonly endpoint: 'routed' | 'unified';
}

const ERAS: readonly Era[] = ['modern', 'legacy'];

export const LEGS: readonly Leg[] = ERAS.flatMap((client) =>
  ERAS.flatMap((server) =>
    (['http', 'container'] as const).flatMap((wire) =>
      (['routed', 'unified'] as const).map((endpoint) => ({
        name: `${client}-to-${server}-${wire}-${endpoint}`,
        client,
        server,
        wire,
        endpoint,
      })),
    ),
  ),
);

export function revisionOf(era: Era): Revision {
  return era === 'modern' ? '2026-07-28' : '2025-11-25';
}

/** A server of one era only, so that the gateway has no choice. */
export function buildOf(leg: Leg): Build {
  return leg.server;
}
