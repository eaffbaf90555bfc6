/** Where servers may be that somebody registered while the gateway runs: what the operator lists, or a default that harms nobody. */
import type { GatewayConfig } from '../config/config.ts';
import { AddressPolicy, parseAllowedPlace } from '../shared/address-policy.ts';

const LOOPBACK: readonly string[] = ['127.0.0.0/8', '::1/128'];

type Reach = Pick<GatewayConfig, 'host' | 'domain' | 'allowedHosts' | 'allowedOrigins' | 'allowedNetworks'>;

/** What is allowed beside the public internet, as it was written. */
export function allowedPlaces(gateway: Reach): readonly string[] {
  return gateway.allowedNetworks ?? (isForThisMachine(gateway) ? LOOPBACK : []);
}

export function addressPolicyFor(gateway: Reach): AddressPolicy {
  return new AddressPolicy(allowedPlaces(gateway).flatMap((text) => parseAllowedPlace(text) ?? []));
}

/** True when nobody elsewhere is meant to reach the listener, not even through a proxy: who can use it reaches loopback anyway. */
function isForThisMachine({ host, domain, allowedHosts, allowedOrigins }: Reach): boolean {
  const isLoopback = host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
  return isLoopback && domain === 'localhost' && allowedHosts.length === 0 && allowedOrigins.length === 0;
}
