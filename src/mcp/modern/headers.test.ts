import fc from 'fast-check';
/** The standard headers of a request: those that the gateway makes pass its own checks, and every disagreement is refused. */
import { describe, expect, it } from 'vitest';
import { parseMessage } from '../message.ts';
import { MODERN_VERSION } from '../versions.ts';
import { checkStandardHeaders, readMcpHeaders, standardHeaders } from './headers.ts';

function request(method: string, params: object) {
  return parseMessage(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));
}

function raw(headers: Readonly<Record<string, string>>): string[] {
  return Object.entries(headers).flat();
}

const named = fc.oneof(
  fc.tuple(
    fc.constantFrom('tools/call', 'prompts/get'),
    fc.string({ unit: 'grapheme' }).map((name) => ({ name })),
  ),
  fc.tuple(
    fc.constant('resources/read'),
    fc.webUrl().map((uri) => ({ uri })),
  ),
  fc.tuple(
    fc.constantFrom('tasks/get', 'tasks/cancel'),
    fc.uuid().map((taskId) => ({ taskId })),
  ),
);

describe('standard headers', () => {
  it('that the gateway makes agree with the body', () => {
    fc.assert(
      fc.property(named, ([method, params]) => {
        const message = request(method, params);
        const headers = readMcpHeaders(raw(standardHeaders(message)));
        expect(() => checkStandardHeaders(headers, message, MODERN_VERSION)).not.toThrow();
      }),
    );
  });

  it('of another name are refused', () => {
    fc.assert(
      fc.property(named, fc.string(), ([method, params], other) => {
        const message = request(method, params);
        fc.pre(!Object.values(params).includes(other));
        const headers = readMcpHeaders(
          raw({
            ...standardHeaders(message),
            ...standardHeaders(request('tools/call', { name: other })),
            'mcp-method': method,
          }),
        );
        expect(() => checkStandardHeaders(headers, message, MODERN_VERSION)).toThrow(/disagree/);
      }),
    );
  });

  it.each(['mcp-protocol-version', 'mcp-method', 'mcp-name'])('are refused without %s', (missing) => {
    const message = request('tools/call', { name: 'a' });
    const { [missing]: _, ...rest } = standardHeaders(message);
    expect(() => checkStandardHeaders(readMcpHeaders(raw(rest)), message, MODERN_VERSION)).toThrow(/missing/);
  });

  it('that stand twice are refused, whatever their case', () => {
    expect(() => readMcpHeaders(['Mcp-Name', 'a', 'mcp-name', 'a'])).toThrow(/twice/);
    expect(() => readMcpHeaders(['Mcp-Param-X', 'a', 'MCP-PARAM-x', 'b'])).toThrow(/twice/);
  });

  it('compare methods with their case', () => {
    const message = request('tools/list', {});
    const headers = readMcpHeaders(raw({ ...standardHeaders(message), 'mcp-method': 'Tools/List' }));
    expect(() => checkStandardHeaders(headers, message, MODERN_VERSION)).toThrow(/disagree/);
  });
});
