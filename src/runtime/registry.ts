/** The kinds of servers that there are, and how each is connected. A new kind is a schema, a room, and a line here. */
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import type { ContainerServerConfig, HttpServerConfig, Mount, ServerConfig } from '../config/config.ts';
import { checkMount, type MountPolicy } from '../config/mount-policy.ts';
import type { AddressPolicy } from '../shared/address-policy.ts';
import { GatewayError } from '../shared/errors.ts';
import type { Identities } from '../tls/identities.ts';
import type { ContainerHost } from '../upstream/container/container-host.ts';
import { createContainerTransport } from '../upstream/container/container-transport.ts';
import type { NetworkLease } from '../upstream/container/server-networks.ts';
import type { GithubOidcTokens } from '../upstream/credentials/github-oidc.ts';
import { httpTransportCandidates } from '../upstream/http/candidates.ts';
import { Connector } from '../upstream/http/connector.ts';
import { isTransportMismatch } from '../upstream/http/http-status.ts';
import type { TransportCandidate } from '../upstream/open-conversation.ts';

/** What servers share, made once for a Runtime. */
export interface Rooms {
  /** There whenever the configuration has a container. */
  readonly containers: ContainerHost | undefined;
  readonly mountPolicy: MountPolicy;
  readonly oidc: GithubOidcTokens;
  readonly identities: Identities;
  /** Where servers may be that were registered while the gateway runs. */
  readonly addresses: AddressPolicy;
}

export interface ServerConnection extends AsyncDisposable {
  readonly candidates: readonly TransportCandidate[];
  readonly isMismatch: (error: unknown) => boolean;
}

/** Told of what is tried on the way to a server. */
export interface ConnectionObserver {
  /** A wire is tried. */
  onWire(name: string): void;
  /** A connection stands; not told of those through a proxy. */
  onConnect(socket: Socket): void;
}

/** How to reach a server. Disposing it ends what its conversations share. */
export function connectionFor(
  server: ServerConfig,
  rooms: Rooms,
  log: Logger,
  observer?: ConnectionObserver,
): ServerConnection {
  const connection = server.kind === 'http' ? http(server, rooms, log, observer) : container(server, rooms, log);
  if (observer === undefined) return connection;
  const candidates = connection.candidates.map((candidate) => ({
    name: candidate.name,
    create() {
      observer.onWire(candidate.name);
      return candidate.create();
    },
  }));
  return { ...connection, candidates };
}

function http(
  server: HttpServerConfig,
  { oidc, identities, addresses }: Rooms,
  log: Logger,
  observer: ConnectionObserver | undefined,
): ServerConnection {
  const identity = identities.upstream(server);
  // What stands in a file was written by who runs the gateway; what was registered comes from somebody else.
  const guard = server.registration.origin.kind === 'store' ? { policy: addresses } : undefined;
  const onConnect = observer && ((socket: Socket) => observer.onConnect(socket));
  const connector = new Connector({ connectTimeoutMs: server.connectTimeoutMs, identity, guard, onConnect });
  return {
    candidates: httpTransportCandidates(server, { connector, oidc, log }),
    isMismatch: isTransportMismatch,
    [Symbol.asyncDispose]: () => connector[Symbol.asyncDispose](),
  };
}

function container(server: ContainerServerConfig, { containers, mountPolicy }: Rooms, log: Logger): ServerConnection {
  if (containers === undefined) throw new Error('a container server needs a container engine');
  const { network } = server.container;
  // Held from the first container on: making a network and a proxy anew would double the time that a restart takes.
  let held: Promise<NetworkLease | undefined> | undefined;
  const create = (): ReturnType<typeof createContainerTransport> => {
    if (network !== 'none') held ??= containers.networkFor(server.name, network).catch(() => (held = undefined));
    return createContainerTransport({
      server,
      host: containers,
      checkMounts: (mounts) => allowedMounts(server.name, mounts, mountPolicy),
      onStderr: (line) => log.info({ stream: 'stderr' }, line),
      onNotice: (text) => log.warn(text),
    });
  };
  return {
    candidates: [{ name: 'container', create }],
    isMismatch: () => false,
    async [Symbol.asyncDispose]() {
      const lease = await held;
      await lease?.release();
    },
  };
}

/** The mounts with canonical sources. A path that was allowed when the configuration was read may lead elsewhere by now. */
async function allowedMounts(server: string, mounts: readonly Mount[], policy: MountPolicy): Promise<readonly Mount[]> {
  const checks = await Promise.all(mounts.map((mount) => checkMount(mount, policy)));
  return checks.map((check) => {
    if (check.ok) return check.mount;
    throw new GatewayError('server_unavailable', `Server "${server}": ${check.message}`, {
      server,
      detail: check.message,
    });
  });
}
