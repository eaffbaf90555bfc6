import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renameResultUris, renameToolPage } from './result-uris.ts';
import { resolveUri, unifiedUri } from './uris.ts';

describe('unifiedUri', () => {
  it('gives any server and URI back', () => {
    const uri = fc.oneof(
      fc.string(),
      fc.webUrl(),
      fc.string().map((path) => `ui://${path}`),
      fc.constant('file:///{path}'),
    );
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), uri, (server, original) => {
        fc.pre(!/^UI:|^Ui:|^uI:/.test(original));
        expect(resolveUri(unifiedUri(server, original))).toEqual({ server, uri: original });
      }),
    );
  });

  it('keeps the scheme of pages, by which MCP Apps find them', () => {
    expect(unifiedUri('docs', 'ui://panel/index.html')).toBe('ui://docs~panel/index.html');
    expect(unifiedUri('my_docs', 'file:///a')).toBe('mcp+my.005fdocs+file:///a');
  });

  it('does not resolve what it did not make', () => {
    expect(resolveUri('file:///a')).toBeUndefined();
    expect(resolveUri('ui://panel/index.html')).toBeUndefined();
  });
});

describe('renaming inside results', () => {
  const rename = (uri: string): string => `x+${uri}`;

  it('finds links, embedded resources and contents, and leaves the rest of the text alone', () => {
    const result =
      '{"content":[{"type":"text","text":"uri"},{"type":"resource_link","uri":"a:1","n":12345678901234567890},' +
      '{"type":"resource","resource":{"uri":"b:2","text":"t"}}],"structuredContent":{"uri":"c:3"}}';
    expect(renameResultUris('tools/call', result, rename)).toBe(
      result.replace('"a:1"', '"x+a:1"').replace('"b:2"', '"x+b:2"'),
    );
    expect(renameResultUris('resources/read', '{"contents":[{"uri":"a:1"},{"uri":"a:2"}]}', rename)).toBe(
      '{"contents":[{"uri":"x+a:1"},{"uri":"x+a:2"}]}',
    );
    expect(
      renameResultUris(
        'prompts/get',
        '{"messages":[{"content":{"type":"resource","resource":{"uri":"p:1"}}}]}',
        rename,
      ),
    ).toBe('{"messages":[{"content":{"type":"resource","resource":{"uri":"x+p:1"}}}]}');
  });

  it('renames the page of a tool under its present and its former name', () => {
    expect(renameToolPage('{"_meta":{"ui":{"resourceUri":"ui://a"},"ui/resourceUri":"ui://b"}}', rename)).toBe(
      '{"_meta":{"ui":{"resourceUri":"x+ui://a"},"ui/resourceUri":"x+ui://b"}}',
    );
  });
});
