import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadConfig, type LoadInput, type LoadResult } from './load.ts';

function json(value: unknown, env: LoadInput['env'] = {}): Promise<LoadResult> {
  return loadConfig({ source: { kind: 'json', name: '<stdin>', text: JSON.stringify(value) }, env });
}

const GATEWAY = { port: 8080, domain: 'localhost', agentId: 'x' };

describe('what loadConfig says', () => {
  it('never shows a secret in a finding, wherever it stands', async () => {
    const secret = 'hunter2-c0rrect-horse';
    const inAnyField = fc.constantFrom(
      'type',
      'container',
      'entrypoint',
      'url',
      'user',
      'workdir',
      'network',
      'isolation',
      'tools',
      'mounts',
      'args',
      'toolTimeout',
      'resources',
      'auth',
      'headers',
      'env',
      'registry',
      'command',
      'surprise',
    );
    const shapes = fc.constantFrom<(text: string) => unknown>(
      (text) => text,
      (text) => [text],
      (text) => ({ a: text }),
      (text) => ['-e', text],
      (text) => ['-e', text, '-e', `${text}=1`, '-v', `/${text}:/a`, '--mount', `type=bind,source=/${text},target=/b`],
      (text) => [
        '--memory',
        text,
        '--cpus',
        text,
        '--pids-limit',
        text,
        '-w',
        text,
        '--pull',
        text,
        '--cap-drop',
        text,
      ],
      (text) => ['--network', text],
      (text) => ({ type: text, memory: text }),
      (text) => [`${text}:/x:ro`],
    );
    const expressions = fc.constantFrom(
      '${S}',
      ' ${S} ',
      '/${S}',
      '--${S}',
      '-${S}',
      'https://${S}/',
      'A=${S}',
      '${S}:/a',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(inAnyField, shapes, expressions), { maxLength: 5 }),
        expressions,
        async (fields, gatewayText) => {
          const server = Object.fromEntries(fields.map(([field, shape, text]) => [field, shape(text)]));
          const gateway = {
            ...GATEWAY,
            domain: gatewayText,
            payloadDir: gatewayText,
            sessionTimeout: gatewayText,
            allowedOrigins: [gatewayText],
            containerRuntimeCommand: gatewayText,
          };
          const result = await json(
            { mcpServers: { x: server }, gateway, customSchemas: { mine: gatewayText } },
            { S: secret },
          );
          expect(JSON.stringify(result.ok ? result.warnings : result)).not.toContain(secret);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('never shows an id, a header or a variable, even one that is written in the text itself', async () => {
    const result = await json({
      mcpServers: {
        a: { container: 'mcp/time', env: { A: 'hunter2\0' }, args: ['-e', 'B=hunter2', '-e', 'B=hunter2x'] },
        b: { type: 'http', url: 'https://user:hunter2@e.example/', headers: { A: 'hunter2\n' } },
      },
      gateway: { ...GATEWAY, agentId: ' hunter2', agentIds: ['hunter2 '] },
    });
    expect(result.ok).toBe(false);
    expect(JSON.stringify(result)).not.toContain('hunter2');
  });
});
