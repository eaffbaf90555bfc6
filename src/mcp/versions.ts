/** The protocol versions that the gateway speaks. */

/** Versions with `initialize` and sessions, newest first. */
export const LEGACY_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;

export const LATEST_LEGACY_VERSION = LEGACY_VERSIONS[0];

/** The stateless version: every request says by itself who sends it and what it can do. */
export const MODERN_VERSION = '2026-07-28';

/** Everything that a client may speak with the gateway, newest first; what a server lacks is bridged. */
export const ALL_VERSIONS: readonly string[] = [MODERN_VERSION, ...LEGACY_VERSIONS];

/** `modern`: 2026-07-28, stateless. `legacy`: everything before, with sessions. */
export type Era = 'modern' | 'legacy';

/** Version of the MCP Gateway Specification that this gateway follows. */
export const GATEWAY_SPEC_VERSION = '1.17.0';

export function isLegacyVersion(version: string): boolean {
  return (LEGACY_VERSIONS as readonly string[]).includes(version);
}

/** The version to answer an `initialize` with: the one asked for where we speak it, else our newest. */
export function negotiateLegacy(requested: unknown): string {
  return typeof requested === 'string' && isLegacyVersion(requested) ? requested : LATEST_LEGACY_VERSION;
}
