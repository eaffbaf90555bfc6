/** Servers that are opened before they have a place in the configuration: to see whether they can be reached, and what they offer. */
import type { Config, ServerConfig } from '../config/config.ts';
import type { Lease } from '../shared/shared-lease.ts';
import type { Telemetry } from '../telemetry/log.ts';
import type { Identities } from '../tls/identities.ts';
import { MaterialError } from '../tls/material-error.ts';
import { shownCertificates, type ShownCertificate } from '../tls/peer-chain.ts';
import type { ContainerHost } from '../upstream/container/container-host.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import {
  type BuiltRuntime,
  containersFor,
  type OnItems,
  mountPolicyOf,
  type OpenedParts,
  servePool,
  type ServedPool,
  whatMakes,
} from './build.ts';
import { addressPolicyFor } from './allowed-places.ts';
import type { Part } from './part.ts';
import { Shared } from '../shared/shared-lease.ts';

/** A server that lives on after its trial is connected again and again. */
const MAX_WIRES = 10;

export interface CandidatesOptions {
  readonly telemetry: Telemetry;
  /** Of the gateway, for the servers. */
  readonly version: string;
  readonly identities: Identities;
  /** The Runtime that is in use. */
  readonly current: () => BuiltRuntime;
  readonly onItems?: OnItems | undefined;
}

/** A server that is open. Disposing it ends it, unless a Runtime has taken it over meanwhile. */
export interface Candidate extends AsyncDisposable {
  readonly pool: UpstreamPool;
  /** The wires that were tried, in their order. */
  readonly wires: readonly string[];
  /** What the server has shown on the first connection, leaf first. */
  readonly certificates: readonly ShownCertificate[];
}

/** What is wrong with certificates or keys. */
export interface MaterialFault {
  /** Path of the file; for PEM text the name of the field. */
  readonly where: string;
  readonly reason: string;
}

/** undefined when `open` has failed for another reason. */
export function materialFaultOf(error: unknown): MaterialFault | undefined {
  return error instanceof MaterialError ? error : undefined;
}

export class Candidates {
  readonly #options: CandidatesOptions;
  readonly #open = new Set<{
    readonly name: string;
    readonly server: Part<ServedPool>;
    readonly containers: Part<ContainerHost> | undefined;
  }>();

  constructor(options: CandidatesOptions) {
    this.#options = options;
  }

  /** What the next Runtime can take over as it is. */
  get opened(): OpenedParts {
    const all = [...this.#open];
    return {
      servers: new Map(all.map(({ name, server }) => [name, server])),
      containers: all.find(({ containers }) => containers !== undefined)?.containers,
    };
  }

  /**
   * Makes everything that the server would have, with its own identity and credentials, and starts nothing yet: that is
   * `pool.start`. Rejects with a MaterialError when its TLS material cannot be used.
   */
  async open(server: ServerConfig): Promise<Candidate> {
    const certificates: ShownCertificate[] = [];
    const wires: string[] = [];
    const { telemetry, version, identities, onItems } = this.#options;
    const runtime = this.#options.current();
    const config: Pick<Config, 'gateway'> = runtime.config;
    await using stack = new AsyncDisposableStack();
    if (server.kind === 'http' && server.url.startsWith('https:')) stack.use(await identities.hold(server.tls));
    const containers = await containersFor(
      { gateway: config.gateway, servers: [server] },
      telemetry.log,
      runtime.parts.containers ?? this.opened.containers,
    );
    const host: Lease<ContainerHost> | undefined = containers && stack.use(containers.shared.lease());
    const rooms = {
      identities,
      oidc: runtime.parts.tokens.shared.value.oidc,
      containers: host?.value,
      mountPolicy: await mountPolicyOf(telemetry.log),
      addresses: addressPolicyFor(config.gateway),
    };
    const served = servePool(server, {
      onItems,
      config,
      telemetry,
      rooms,
      version,
      observer: {
        onWire: (name) => void (wires.length < MAX_WIRES && wires.push(name)),
        onConnect: (socket) => void (certificates.length === 0 && certificates.push(...shownCertificates(socket))),
      },
    });
    const part: Part<ServedPool> = { madeFrom: whatMakes(server, config), shared: new Shared(served) };
    stack.use(part.shared.lease());
    const entry = { name: server.name, server: part, containers };
    this.#open.add(entry);
    stack.defer(() => void this.#open.delete(entry));
    const owned = stack.move();
    return { pool: served.pool, wires, certificates, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  }
}
