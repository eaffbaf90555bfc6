/** Turns the field `network` into what the container gets, with every host of an allow-list checked. */
import type { ContainerSpec, EgressAllowList } from '../config.ts';
import type { Diagnostics } from '../diagnostics.ts';
import { type Scope, writtenPath } from '../dialect.ts';
import { parseEgressHost } from '../values/egress-host.ts';

/** The network of a container; reports every entry of an allow-list that names no host. */
export function containerNetwork(
  scope: Scope,
  network: 'isolated' | 'none' | EgressAllowList | undefined,
  engine: 'docker' | 'podman',
  log: Diagnostics,
): ContainerSpec['network'] {
  if (network === undefined || typeof network === 'string') return network ?? 'isolated';
  if (engine === 'podman') {
    log.error({
      path: writtenPath(scope, ['network']),
      message:
        'a list of hosts needs docker: podman keeps an address of the host in every network, and what listens there could be reached',
      suggestion: 'Write "none", or run the servers with docker.',
    });
  }
  const allow = network.allow.flatMap((text, index) => {
    const path = [...writtenPath(scope, ['network']), 'allow', index];
    const parsed = parseEgressHost(text, log.shown(path, text));
    if (parsed.ok) return [parsed.host];
    log.error({ path, message: parsed.message, suggestion: parsed.suggestion });
    return [];
  });
  return { allow: [...new Set(allow)] };
}
