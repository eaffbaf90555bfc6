/** A registry of images on loopback that engines push to and pull from: the part of the OCI distribution specification that they need, in memory. */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ImageRegistry extends AsyncDisposable {
  /** `127.0.0.1:<port>`; docker speaks plain HTTP with such an address. */
  readonly address: string;
}

interface Manifest {
  readonly type: string;
  readonly bytes: Buffer;
}

export async function startRegistry(): Promise<ImageRegistry> {
  const blobs = new Map<string, Buffer>();
  const uploads = new Map<string, Buffer[]>();
  const manifests = new Map<string, Manifest>();

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://registry');
    const body: Buffer[] = [];
    for await (const piece of request) body.push(Buffer.from(piece as Uint8Array));
    const bytes = Buffer.concat(body);
    const upload = /^\/v2\/(.+)\/blobs\/uploads\/(.*)$/.exec(url.pathname);
    const blob = /^\/v2\/.+\/blobs\/(sha256:[0-9a-f]{64})$/.exec(url.pathname)?.[1];
    const manifest = /^\/v2\/(.+)\/manifests\/(.+)$/.exec(url.pathname);
    if (url.pathname === '/v2/') return end(response, 200);
    if (upload !== null) {
      const [, name = '', given = ''] = upload;
      const id = given === '' ? randomUUID() : given;
      const pieces = uploads.get(id) ?? [];
      uploads.set(id, [...pieces, bytes]);
      const whole = Buffer.concat([...pieces, bytes]);
      if (request.method !== 'PUT')
        return end(response, 202, {
          location: `/v2/${name}/blobs/uploads/${id}`,
          range: `0-${Math.max(0, whole.length - 1)}`,
        });
      uploads.delete(id);
      const digest = digestOf(whole);
      if (digest !== url.searchParams.get('digest')) return end(response, 400);
      blobs.set(digest, whole);
      return end(response, 201, { location: `/v2/${name}/blobs/${digest}`, 'docker-content-digest': digest });
    }
    if (manifest !== null) {
      const [, name = '', reference = ''] = manifest;
      if (request.method === 'PUT') {
        const digest = digestOf(bytes);
        for (const key of [reference, digest])
          manifests.set(`${name}@${key}`, { type: request.headers['content-type'] ?? '', bytes });
        return end(response, 201, { location: `/v2/${name}/manifests/${digest}`, 'docker-content-digest': digest });
      }
      const found = manifests.get(`${name}@${reference}`);
      if (found === undefined) return end(response, 404);
      return end(
        response,
        200,
        { 'content-type': found.type, 'docker-content-digest': digestOf(found.bytes) },
        found.bytes,
        request.method === 'HEAD',
      );
    }
    const found = blob === undefined ? undefined : blobs.get(blob);
    if (found === undefined) return end(response, 404);
    end(response, 200, { 'content-type': 'application/octet-stream' }, found, request.method === 'HEAD');
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function end(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
  bytes: Buffer = Buffer.alloc(0),
  isHead = false,
): void {
  response.writeHead(status, {
    'docker-distribution-api-version': 'registry/2.0',
    'content-length': bytes.length,
    ...headers,
  });
  response.end(isHead ? undefined : bytes);
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
