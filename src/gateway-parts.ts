/** Small parts of the composition root that the owner of a port and its workers make alike. */
import type { AddressInfo } from 'node:net';
import type { Config } from './config/config.ts';
import { createHostCheck, type HostCheck } from './proxy/host-check.ts';

export const HEARTBEAT_MS = 15_000;

/** Base URL of the gateway for its clients. */
export function clientUrl(config: Config, port: number): string {
  const scheme = config.gateway.tls === undefined ? 'http' : 'https';
  return `${scheme}://${config.gateway.domain}:${port}`;
}

/** The check of Host and Origin as each configuration wants it. */
export class HostChecks {
  readonly #boundHost: string;
  readonly #made = new WeakMap<Config, HostCheck>();

  constructor(bound: Pick<AddressInfo, 'address' | 'family'>) {
    this.#boundHost = bracketed(bound);
  }

  for(config: Config): HostCheck {
    let check = this.#made.get(config);
    if (check === undefined) {
      check = createHostCheck({ ...config.gateway, boundHost: this.#boundHost });
      this.#made.set(config, check);
    }
    return check;
  }
}

function bracketed({ address, family }: Pick<AddressInfo, 'address' | 'family'>): string {
  return family === 'IPv6' ? `[${address}]` : address;
}
