/** A client that leaves while its credential is still being checked: its call reaches no server, with the fast path and without. */
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { expect, onTestFinished, test } from 'vitest';
import { startGateway } from '../rig/gateway.ts';
import { startScriptedServer } from '../rig/scripted-server.ts';

const VERSION = '2026-07-28';
const BODY = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"${VERSION}","io.modelcontextprotocol/clientCapabilities":{}},"name":"tool","arguments":{}}}`;

test.each(['on', 'off'])('with the fast path %s', async (mode) => {
  await using server = await startScriptedServer();
  const waiting: ServerResponse[] = [];
  const issuer = createServer((_request, response) => void waiting.push(response));
  await new Promise<void>((resolve) => {
    issuer.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(async () => {
    issuer.closeAllConnections();
    await new Promise((resolve) => {
      issuer.close(resolve);
    });
  });
  const origin = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
  const audience = 'https://gateway.example.com';
  const issuers = [{ issuer: origin, jwksUrl: `${origin}/keys`, audience: [audience], roles: ['admin'] }];
  await using gateway = await startGateway({
    config: {
      mcpServers: { one: { type: 'http', url: server.url } },
      gateway: { auth: { resource: audience, issuers } },
    },
    args: ['--fast-path', mode],
  });
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const token = await new SignJWT({ sub: 'somebody' })
    .setProtectedHeader({ alg: 'ES256', kid: 'one' })
    .setIssuer(origin)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(privateKey);
  const head = [
    'POST /mcp/one HTTP/1.1',
    'Host: localhost',
    `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    'Accept: application/json, text/event-stream',
    `MCP-Protocol-Version: ${VERSION}`,
    'Mcp-Method: tools/call',
    'Mcp-Name: tool',
    `Content-Length: ${BODY.length}`,
  ];
  const send = () => {
    const socket = connect(Number(new URL(gateway.origin).port), '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.write(`${head.join('\r\n')}\r\n\r\n${BODY}`);
    return { socket, text: () => text };
  };
  const [leaving, staying] = [send(), send()];
  await expect.poll(() => waiting.length).toBeGreaterThan(0);
  leaving.socket.destroy();
  // The gateway hears of it before the keys come.
  const again = send();
  await new Promise((resolve) => again.socket.once('connect', resolve));
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }] };
  for (const response of waiting) response.end(JSON.stringify(keys));
  await expect.poll(() => [staying, again].map(({ text }) => text().includes('"called"'))).toEqual([true, true]);
  expect(server.received.filter(({ method }) => method === 'tools/call')).toHaveLength(2);
  for (const { socket } of [staying, again]) socket.destroy();
});
