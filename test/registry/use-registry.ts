/** A gateway with an empty store and certificates that registrations may name, for the tests of one file. */
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { type Answered, type ManagedGateway, startManaged } from '../rig/managed-gateway.ts';
import { createPki, type Pki } from '../rig/pki.ts';
import { openTemporaryStore } from '../rig/store.ts';

export type Json = Readonly<Record<string, unknown>>;

export interface Registry {
  readonly gateway: ManagedGateway;
  readonly pki: Pki;
  /** Of the server that the present test registers; another one for each test. */
  readonly name: string;
  /** `POST /v1/gateways` under `name`, unless the body has another one. */
  readonly register: (body: Json, headers?: Readonly<Record<string, string>>) => Promise<Answered>;
}

/** Starts it before the tests of the file that calls this, and ends it behind them. Until then its parts are not there. */
export function useRegistry(): Registry {
  const registry: { pki?: Pki; gateway?: ManagedGateway } = {};
  const running = new AsyncDisposableStack();
  let count = 0;
  const part = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('the registry starts with the first test');
    return value;
  };
  beforeAll(async () => {
    const pki = running.use(createPki());
    const store = running.use(await openTemporaryStore());
    const gateway = await startManaged({ store, env: { MCP_GATEWAY_ALLOWED_MATERIAL_ROOTS: pki.folder } });
    running.use(gateway);
    Object.assign(registry, { pki, gateway });
  });
  afterAll(() => running.disposeAsync());
  beforeEach(() => {
    count += 1;
  });
  return {
    get gateway() {
      return part(registry.gateway);
    },
    get pki() {
      return part(registry.pki);
    },
    get name() {
      return `server-${count}`;
    },
    register(body, headers = {}) {
      return this.gateway.call('POST', '/v1/gateways', { name: this.name, ...body }, headers);
    },
  };
}

/** Where a registered server is managed. */
export function pathOf({ body }: Answered): string {
  return `/v1/gateways/${String(body['id'])}`;
}
