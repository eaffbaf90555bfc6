/** A container of a server must not reach the gateway, wherever that listens. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { dockerMissing } from '../rig/docker.ts';
import { startGateway } from '../rig/gateway.ts';
import { busyboxImage } from '../rig/images.ts';
import { rawClient } from './raw-client.ts';
import { freePort } from '../../scripts/setup/free-port.ts';

const run = promisify(execFile);

/** Asks the gateway for its health; prints the first line of the answer, or `nothing`. */
const ask = (host: string, port: number): string =>
  `answer=$(printf 'GET /health HTTP/1.1\\r\\nHost: ${host}\\r\\nConnection: close\\r\\n\\r\\n' | nc -w 20 ${host} ${port} | head -n 1 | tr -d '\\r'); echo "\${answer:-nothing}"`;

describe.skipIf(dockerMissing())('the gateway from inside a container', () => {
  it('T-ISO-004 answers other containers of the machine and none of its own', async () => {
    const image = await busyboxImage();
    // An address of this machine that only containers and the machine itself can reach.
    const subnet = '{{(index .IPAM.Config 0).Subnet}}';
    const range = (await run('docker', ['network', 'inspect', '--format', subnet, 'bridge'])).stdout.trim();
    const host = range.replace(/\.0\/\d+$/, '.1');
    expect(host).toMatch(/^\d+\.\d+\.\d+\.1$/);
    const port = await freePort(host);
    const script = `while read -r line; do
      id=$(echo "$line" | sed -n 's/.*"id":\\([0-9]*\\).*/\\1/p')
      case "$line" in
        *'"initialize"'*) echo '{"jsonrpc":"2.0","id":'$id',"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}}' ;;
        *'"tools/call"'*) said=$(${ask(host, port)}); echo '{"jsonrpc":"2.0","id":'$id',"result":{"content":[{"type":"text","text":"'"$said"'"}]}}' ;;
        *'"id"'*) echo '{"jsonrpc":"2.0","id":'$id',"error":{"code":-32601,"message":"no"}}' ;;
      esac
    done`;
    await using gateway = await startGateway({
      config: { mcpServers: { inside: { container: image, entrypoint: 'sh', entrypointArgs: ['-c', script] } } },
      args: ['--listen', `${host}:${port}`],
    });
    const control = await run('docker', ['run', '--rm', '--entrypoint', 'sh', image, '-c', ask(host, port)]);
    expect(control.stdout).toBe('HTTP/1.1 200 OK\n');
    const client = await rawClient(`http://${host}:${port}/mcp/inside`, gateway.authorization);
    const { answer } = await client.request('tools/call', { name: 'any', arguments: {} });
    expect(answer.result).toEqual({ content: [{ type: 'text', text: 'nothing' }] });
  });
});
