/** The validated configuration: the only form in which the rest of the program sees what the operator wrote. */

import type { HealthConfig } from './health.ts';
import type { AuthConfig } from './auth-config.ts';
import type { ItemOverride, Registration, VirtualServer } from './registration.ts';
import type { ListenerTlsConfig, UpstreamTlsConfig } from './tls-config.ts';

export interface Config {
  readonly gateway: GatewayConfig;
  /** In the order in which they were written; names are unique. */
  readonly servers: readonly ServerConfig[];
  /** True when a store adds to what the operator wrote. */
  readonly managed: boolean;
  /** Named selections of what the servers offer; ids and names are unique. */
  readonly virtualServers: readonly VirtualServer[];
  /** What operators have changed about single items. */
  readonly overrides: readonly ItemOverride[];
}

export interface GatewayConfig {
  /** TCP port of the listener, 0 to 65535 (0 = any free port; only `--listen` can say so). */
  readonly port: number;
  /** Host or address that the listener binds to; default 127.0.0.1. */
  readonly host: string;
  /** Host name under which clients reach the gateway; used in the rewritten configuration on stdout. */
  readonly domain: string;
  /** `routed`: one endpoint per server. `unified`: one endpoint for all. `both` serves both. */
  readonly mode: 'routed' | 'unified' | 'both';
  /**
   * Names on endpoints that several servers share. `prefixed`: `server___tool`. `plain`: as the servers name them; what
   * two of them offer under one name is offered by neither.
   */
  readonly naming: 'prefixed' | 'plain';
  /** Servers by the name of their group, each an endpoint of its own at `/mcp/{group}`. */
  readonly groups: Readonly<Record<string, readonly string[]>>;
  /** Accepted agent ids; at least one unless a store has accounts. Secret. */
  readonly agentIds: readonly string[];
  /** `strict`: a server that fails to start ends the gateway with exit status 1 (specification 1.17). `resilient`: serve the others and keep trying. */
  readonly startup: 'strict' | 'resilient';
  /** Start servers one after the other instead of all at once. */
  readonly sequentialLaunch: boolean;
  readonly startupTimeoutMs: number;
  readonly toolTimeoutMs: number;
  /** Interval of keep-alive pings to HTTP servers; undefined = off. */
  readonly keepaliveIntervalMs: number | undefined;
  /** A session of a client ends after so long without a request. */
  readonly sessionTimeoutMs: number;
  /** How long requests in flight may go on after SIGTERM or SIGINT. */
  readonly shutdownTimeoutMs: number;
  /** Largest accepted request body, in bytes. */
  readonly maxBodyBytes: number;
  /** Of all bodies above 64 KiB together. */
  readonly maxHeldBodyBytes: number;
  /** Browser origins that may call the gateway, such as `https://app.example.com`; none by default. */
  readonly allowedOrigins: readonly string[];
  /** Values of the Host header that are accepted beside loopback names, `domain` and the bound address. */
  readonly allowedHosts: readonly string[];
  /**
   * Addresses, networks and hosts beside the public internet where servers may be that are registered over the API;
   * undefined = this machine when only this machine can reach the listener, else none.
   */
  readonly allowedNetworks: readonly string[] | undefined;
  readonly containerRuntime: ContainerRuntime;
  /** Where results above `payloadSizeThreshold` are written; undefined = every result stays inline. */
  readonly payloadDir: string | undefined;
  readonly payloadPathPrefix: string | undefined;
  readonly payloadSizeThreshold: number;
  /** Images of containers must be pinned by digest. */
  readonly requireDigests: boolean;
  /** Where the embedded store keeps its file and its key; undefined = nothing is stored here. */
  readonly dataDir: string | undefined;
  /** Lines of the audit log that are older, or beyond this number, are removed; undefined = they stay. */
  readonly auditKeepDays: number | undefined;
  readonly auditKeepLines: number | undefined;
  /** undefined = the listener speaks plain HTTP. */
  readonly tls: ListenerTlsConfig | undefined;
  /** Requests to /mcp must be signed with it; undefined = they need not be. Secret. */
  readonly hmacSecret: string | undefined;
  readonly auth: AuthConfig;
}

export interface ContainerRuntime {
  readonly engine: 'docker' | 'podman';
  /** The engine's command: a bare name looked up once in a fixed PATH, or an absolute path whose base name is the engine's. */
  readonly command: string;
}

export type ServerConfig = ContainerServerConfig | HttpServerConfig;

interface ServerCommon {
  /** The key under `servers` or `mcpServers`; one URL path segment. */
  readonly name: string;
  readonly registration: Registration;
  /** Names of the tools that clients may see and call; undefined = all. */
  readonly tools: readonly string[] | undefined;
  /** `boot`: together with the gateway. `lazy`: with the first request that needs it. */
  readonly start: 'boot' | 'lazy';
  readonly health: HealthConfig;
  readonly startupTimeoutMs: number;
  readonly toolTimeoutMs: number;
  /** Where the server was installed from; informational. */
  readonly registry: string | undefined;
}

export interface ContainerServerConfig extends ServerCommon {
  readonly kind: 'container';
  /** The registered custom type, when the server was configured as one. */
  readonly customType: string | undefined;
  /**
   * Which clients share a process. `shared`: all of them (the server is told that no client can be asked anything).
   * `session`: one process for each session. `auto`: a session whose client can be asked (sampling, elicitation, roots)
   * has a process of its own, all others share one.
   */
  readonly isolation: 'auto' | 'shared' | 'session';
  readonly container: ContainerSpec;
}

/** Everything that may be said of a container. The engine's argument list is generated from it and from nothing else. */
export interface ContainerSpec {
  /** Image reference with optional registry, port, tag and digest. */
  readonly image: string;
  readonly entrypoint: string | undefined;
  /** Arguments after the image. */
  readonly args: readonly string[];
  /** Variables inside the container, values resolved. Secret. */
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  /** `isolated`: a network of its own with a way out. `none`: no network at all. A list: only the hosts on it. */
  readonly network: 'isolated' | 'none' | EgressAllowList;
  readonly workdir: string | undefined;
  /** `uid`, `uid:gid` or a name inside the image; undefined = as the image says. */
  readonly user: string | undefined;
  /** Root file system read-only, with a tmpfs on /tmp. */
  readonly readOnly: boolean;
  /** Capabilities given back after all were dropped, such as `NET_BIND_SERVICE`. */
  readonly capabilities: readonly string[];
  readonly resources: ContainerResources;
}

export interface EgressAllowList {
  /** Lower case: `host`, `.suffix` (the host and all below it), either with `:port`; without a port, 80 and 443. */
  readonly allow: readonly string[];
}

export interface Mount {
  /** Absolute path on the host. */
  readonly source: string;
  /** Absolute path in the container. */
  readonly target: string;
  readonly mode: 'ro' | 'rw';
}

export interface ContainerResources {
  /** Bytes. */
  readonly memory: number;
  /** Cores; fractions allowed. */
  readonly cpus: number;
  readonly pids: number;
  readonly openFiles: number;
}

export interface HttpServerConfig extends ServerCommon {
  readonly kind: 'http';
  /** Absolute http or https URL. */
  readonly url: string;
  /** Sent with every request to the server. Values are secret. */
  readonly headers: Readonly<Record<string, string>>;
  /** Added to the query of every request to the server; undefined = nothing. Values are secret. */
  readonly query: Readonly<Record<string, string>> | undefined;
  /** Lower-case names of headers that a client's own request hands on to the server; undefined = none. */
  readonly passthroughHeaders: readonly string[] | undefined;
  readonly auth: GithubOidcAuth | undefined;
  readonly connectTimeoutMs: number;
  /** undefined = the authorities of the system and no client certificate; always so for an http URL. */
  readonly tls: UpstreamTlsConfig | undefined;
}

export interface GithubOidcAuth {
  readonly type: 'github-oidc';
  readonly audience: string;
}

/** One thing that is wrong, or worth a warning, in what the operator wrote. */
export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  /** Where, in the words of the file: `mcpServers.github.mounts[0]`, `servers.github.args[4]`; empty = the whole document. */
  readonly path: string;
  /** What is wrong. Never holds a secret value. */
  readonly message: string;
  /** What to do about it. */
  readonly suggestion: string;
  /** 1-based position in the file, where known. */
  readonly line?: number;
  readonly column?: number;
}
