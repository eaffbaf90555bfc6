/** The part of the composition root that is only there with more than one process: workers beside this one, which owns everything that one must own. */
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { MaterialCopies } from './cluster/material-copies.ts';
import { OwnerDoor } from './cluster/owner-door.ts';
import { Workers, type WorkerStatus } from './cluster/workers.ts';
import type { Config } from './config/config.ts';
import type { Listener } from './proxy/listener.ts';
import type { ReloadPart } from './runtime/reload.ts';
import type { StoreLocation } from './store/open-store.ts';
import type { Store } from './store/store.ts';
import type { Telemetry } from './telemetry/log.ts';
import type { WorkersSample } from './telemetry/metrics.ts';
import type { IdentitiesOptions } from './tls/identities.ts';

export interface WorkersNeeds {
  /** Processes that serve the port, this one included. */
  readonly processes: number;
  /** Where workers find the store; undefined = there is none. */
  readonly storeLocation: StoreLocation | undefined;
  readonly logDirectory: string | undefined;
}

/** What others know of the workers; without workers everything of it is empty. */
export interface Crew extends AsyncDisposable {
  /** How this process reads certificates and proves that it serves them. */
  readonly identities: IdentitiesOptions;
  readonly sharesPort: boolean;
  /** To be renewed with each reload, after the certificates. */
  readonly parts: readonly ReloadPart[];
  readonly status: readonly WorkerStatus[];
  /** Starts them; resolves when all of them serve, or were tried. */
  start(serving: Serving): Promise<void>;
  sample(): Promise<WorkersSample & { readonly requestsInFlight: number }>;
  setLogLevel(level: string, server: string | undefined): void;
  /** Resolves when nothing is in flight in any of them: true, or when the time is over or `cutOff` is aborted: false. */
  drain(timeoutMs: number, cutOff: AbortSignal): Promise<boolean>;
}

export interface Serving {
  readonly config: Config;
  readonly address: AddressInfo;
  readonly listener: Listener;
  readonly store: Store | undefined;
  readonly secret: Uint8Array;
  readonly tickets: () => Uint8Array | undefined;
}

const NOBODY: Crew = {
  identities: {},
  sharesPort: false,
  parts: [],
  status: [],
  start: async () => undefined,
  sample: async () => ({ serving: 0, exits: 0, counts: [], requestsInFlight: 0 }),
  setLogLevel: () => undefined,
  drain: async () => true,
  [Symbol.asyncDispose]: async () => undefined,
};

export interface CrewContext {
  readonly config: Config;
  readonly telemetry: Telemetry;
  readonly version: string;
}

/** To be disposed after the listener: until then what workers pass on is answered. */
export async function openCrew(needs: WorkersNeeds | undefined, context: CrewContext): Promise<Crew> {
  if (needs === undefined || needs.processes < 2) return NOBODY;
  const { config, telemetry, version } = context;
  const { log } = telemetry;
  const copies = new MaterialCopies();
  const door = await OwnerDoor.open(log);
  const place: { serving?: Serving } = {};
  const serving = (): Serving => {
    if (place.serving === undefined) throw new Error('the port is not bound yet');
    return place.serving;
  };
  const workers = new Workers(config, {
    count: needs.processes - 1,
    log,
    files: () => copies.latest,
    tickets: () => serving().tickets(),
    onLines: (lines) => telemetry.relay(lines),
    start: () => ({
      tickets: serving().tickets(),
      secret: serving().secret,
      door: door.door,
      address: serving().address,
      store: needs.storeLocation,
      version,
      log: { level: log.level, directory: needs.logDirectory },
    }),
  });
  return {
    identities: { read: copies.read, sharesPort: true },
    sharesPort: true,
    parts: [workers],
    get status() {
      return workers.status;
    },
    async start(now) {
      place.serving = now;
      door.serve((socket) => now.listener.adopt(socket));
      now.store?.onChange((revision) => workers.notice({ notice: 'revision', revision }));
      await workers.start(now.config);
    },
    async sample() {
      const counts = await workers.counts();
      return {
        serving: workers.status.filter(({ state }) => state === 'serving').length,
        exits: workers.exits,
        counts: counts.map(({ metrics }) => metrics),
        requestsInFlight: counts.reduce((total, { requestsInFlight }) => total + requestsInFlight, 0),
      };
    },
    setLogLevel: (level, server) => workers.notice({ notice: 'log level', level, server }),
    async drain(timeoutMs, cutOff) {
      const cut = Promise.withResolvers<boolean>();
      cutOff.addEventListener('abort', () => cut.resolve(false), { once: true });
      return Promise.race([workers.drain(timeoutMs), cut.promise]);
    },
    async [Symbol.asyncDispose]() {
      await workers[Symbol.asyncDispose]();
      await door[Symbol.asyncDispose]();
    },
  };
}

/** What the processes of one gateway have in common. */
export function newSecret(): Uint8Array {
  return randomBytes(32);
}
