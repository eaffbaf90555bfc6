/** What flags of the command line say about the gateway; goes before the text. */
import { isAbsolute } from 'node:path';
import type { GatewayConfig } from '../config.ts';
import { MAX_AUDIT_DAYS, MAX_TIMER_SECONDS, MIN_AUDIT_LINES } from '../defaults.ts';
import type { Diagnostics } from '../diagnostics.ts';

type Settable =
  | 'host'
  | 'port'
  | 'mode'
  | 'startup'
  | 'sequentialLaunch'
  | 'shutdownTimeoutMs'
  | 'sessionTimeoutMs'
  | 'maxBodyBytes'
  | 'payloadDir'
  | 'payloadPathPrefix'
  | 'payloadSizeThreshold'
  | 'hmacSecret'
  | 'dataDir'
  | 'auditKeepDays'
  | 'auditKeepLines';

/** Fields of GatewayConfig that flags can set; undefined = not set. Port 0 means any free port. */
export type GatewayOverrides = { readonly [K in Settable]?: GatewayConfig[K] | undefined } & {
  /** Files of `--tls-cert`, `--tls-key` and `--tls-ca`. */
  readonly tls?: TlsOverride | undefined;
};

export interface TlsOverride {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | undefined;
}

interface Rule {
  readonly field: Settable;
  readonly flag: string;
  readonly expects: string;
  /** What is not set is valid. */
  readonly isValid: (overrides: GatewayOverrides) => boolean;
}

const RULES: readonly Rule[] = [
  {
    field: 'host',
    flag: '--listen',
    expects: 'a host name or address before the port',
    isValid: ({ host }) => host === undefined || /^[^\s/]+$/.test(host),
  },
  {
    field: 'port',
    flag: '--listen',
    expects: 'a port between 0 and 65535',
    isValid: ({ port }) => port === undefined || (Number.isInteger(port) && port >= 0 && port <= 65_535),
  },
  {
    field: 'shutdownTimeoutMs',
    flag: '--shutdown-timeout',
    expects: 'a duration longer than zero and at most 596h',
    isValid: ({ shutdownTimeoutMs }) => isTimer(shutdownTimeoutMs),
  },
  {
    field: 'sessionTimeoutMs',
    flag: '--session-timeout',
    expects: 'a duration longer than zero and at most 596h',
    isValid: ({ sessionTimeoutMs }) => isTimer(sessionTimeoutMs),
  },
  {
    field: 'maxBodyBytes',
    flag: '--max-body-bytes',
    expects: 'a positive integer (>= 1)',
    isValid: ({ maxBodyBytes }) => isPositive(maxBodyBytes),
  },
  {
    field: 'payloadDir',
    flag: '--payload-dir',
    expects: 'an absolute path',
    isValid: ({ payloadDir }) => payloadDir === undefined || isAbsolute(payloadDir),
  },
  {
    field: 'dataDir',
    flag: '--data-dir',
    expects: 'an absolute path',
    isValid: ({ dataDir }) => dataDir === undefined || isAbsolute(dataDir),
  },
  {
    field: 'payloadPathPrefix',
    flag: '--payload-path-prefix',
    expects: 'a non-empty string',
    isValid: ({ payloadPathPrefix }) => payloadPathPrefix === undefined || payloadPathPrefix.trim() !== '',
  },
  {
    field: 'payloadSizeThreshold',
    flag: '--payload-size-threshold',
    expects: 'a positive integer (>= 1)',
    isValid: ({ payloadSizeThreshold }) => isPositive(payloadSizeThreshold),
  },
  {
    field: 'auditKeepDays',
    flag: '--audit-keep-days',
    expects: `a number of days between 1 and ${MAX_AUDIT_DAYS}`,
    isValid: ({ auditKeepDays: days }) => days === undefined || (isPositive(days) && days <= MAX_AUDIT_DAYS),
  },
  {
    field: 'auditKeepLines',
    flag: '--audit-keep-lines',
    expects: `an integer of at least ${MIN_AUDIT_LINES}`,
    isValid: ({ auditKeepLines: lines }) => lines === undefined || (isPositive(lines) && lines >= MIN_AUDIT_LINES),
  },
];

/** The gateway's settings with those of the flags in their place; flags obey the same rules as the text. */
export function applyOverrides(gateway: GatewayConfig, overrides: GatewayOverrides, log: Diagnostics): GatewayConfig {
  for (const { field, flag, expects, isValid } of RULES) {
    if (isValid(overrides)) continue;
    log.errorOutside(flag, `${flag} must be ${expects}, got '${String(overrides[field])}'`, `Write ${expects}.`);
  }
  const { tls, ...rest } = overrides;
  const set = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return { ...gateway, ...set, tls: overrideTls(gateway.tls, tls) };
}

/** A pair of the command line takes the place of the first certificate; an authority means that every client needs a certificate. */
function overrideTls(written: GatewayConfig['tls'], given: TlsOverride | undefined): GatewayConfig['tls'] {
  if (given === undefined) return written;
  const { cert, key, ca } = given;
  return {
    sni: [],
    ca: undefined,
    crl: undefined,
    clientAuth: 'none',
    certificateLogin: false,
    allowedClients: undefined,
    certificateUsers: undefined,
    minVersion: 'TLSv1.2',
    ...written,
    cert,
    key,
    pfx: undefined,
    passphrase: undefined,
    ...(ca === undefined ? {} : { ca, clientAuth: 'required' as const }),
  };
}

function isPositive(value: number | undefined): boolean {
  return value === undefined || (Number.isInteger(value) && value >= 1);
}

function isTimer(milliseconds: number | undefined): boolean {
  return milliseconds === undefined || (milliseconds > 0 && milliseconds <= MAX_TIMER_SECONDS * 1000);
}
