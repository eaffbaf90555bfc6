/** Official SDK clients, 1.x and 2.x, connected to a URL. */
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import type { ClientOptions as OptionsV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import type { ClientOptions as OptionsV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

export interface ConnectedV1 extends AsyncDisposable {
  readonly client: ClientV1;
  readonly transport: TransportV1;
}

export interface ConnectedV2 extends AsyncDisposable {
  readonly client: ClientV2;
  readonly transport: TransportV2;
}

export interface ConnectOptions<ClientOptions, Client> {
  /** Sent as the Authorization header, as it is. */
  readonly authorization?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly clientOptions?: ClientOptions;
  /** Registers handlers before the handshake. */
  readonly prepare?: (client: Client) => void;
}

const NAME = { name: 'gatehouse-test', version: '1.0.0' };

/** The client of `@modelcontextprotocol/sdk` 1.x, which speaks 2025-11-25. Disposing ends the session with DELETE. */
export async function connectV1(url: string, options: ConnectOptions<OptionsV1, ClientV1> = {}): Promise<ConnectedV1> {
  const client = new ClientV1(NAME, options.clientOptions);
  options.prepare?.(client);
  const transport = new TransportV1(new URL(url), { requestInit: { headers: headersOf(options) } });
  await client.connect(transport);
  return {
    client,
    transport,
    [Symbol.asyncDispose]: async () => {
      await transport.terminateSession().catch(() => {});
      await client.close();
    },
  };
}

/** The client of `@modelcontextprotocol/client` 2.x; legacy handshake unless `versionNegotiation` says otherwise. */
export async function connectV2(url: string, options: ConnectOptions<OptionsV2, ClientV2> = {}): Promise<ConnectedV2> {
  const client = new ClientV2(NAME, options.clientOptions);
  options.prepare?.(client);
  const transport = new TransportV2(new URL(url), { requestInit: { headers: headersOf(options) } });
  await client.connect(transport);
  return {
    client,
    transport,
    [Symbol.asyncDispose]: async () => {
      await transport.terminateSession().catch(() => {});
      await client.close();
    },
  };
}

function headersOf(options: {
  readonly authorization?: string;
  readonly headers?: Readonly<Record<string, string>>;
}): Record<string, string> {
  const authorization = options.authorization === undefined ? {} : { authorization: options.authorization };
  return { ...options.headers, ...authorization };
}
