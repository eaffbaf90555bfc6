/** A call on a bare connection, whose answer nobody reads before the test does. */
import { connect, type Socket } from 'node:net';
import type { RunningGateway } from '../../rig/gateway.ts';

export function openCall(gateway: RunningGateway): Socket {
  const { hostname, port, pathname } = new URL(gateway.url('web'));
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'tool', _meta: meta } });
  const head = [
    `POST ${pathname} HTTP/1.1`,
    `Host: ${hostname}:${port}`,
    `Authorization: ${gateway.authorization}`,
    'Content-Type: application/json',
    'Accept: application/json, text/event-stream',
    'MCP-Protocol-Version: 2026-07-28',
    'Mcp-Method: tools/call',
    'Mcp-Name: tool',
    `Content-Length: ${body.length}`,
  ];
  const socket = connect({ host: hostname, port: Number(port) });
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  return socket;
}
