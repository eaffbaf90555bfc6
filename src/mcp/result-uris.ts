/** Finds the resource URIs inside results and tools, so that the unified endpoint can write the server into them. */
import { findSpan, scanArray, scanObject, sliceSpan, splice, type Edit, type Span } from './json-text.ts';

type Rename = (uri: string) => string;

/** Renames the URIs in the raw text of a result of `tools/call`, `prompts/get` or `resources/read`. Other results pass. */
export function renameResultUris(method: string, result: string, rename: Rename): string {
  const edits: Edit[] = [];
  if (method === 'tools/call') eachElement(result, ['content'], (block) => editBlock(result, block, rename, edits));
  if (method === 'prompts/get') {
    eachElement(result, ['messages'], (message) => editContent(result, message, rename, edits));
  }
  if (method === 'resources/read') {
    eachElement(result, ['contents'], (entry) =>
      editString(result, findSpan(result, ['uri'], entry.start), rename, edits),
    );
  }
  return splice(result, edits);
}

/** Renames the page that a tool names for MCP Apps (`_meta.ui.resourceUri`, formerly `_meta["ui/resourceUri"]`). */
export function renameToolPage(tool: string, rename: Rename): string {
  if (!tool.includes('"_meta"')) return tool;
  const edits: Edit[] = [];
  editString(tool, findSpan(tool, ['_meta', 'ui', 'resourceUri']), rename, edits);
  editString(tool, findSpan(tool, ['_meta', 'ui/resourceUri']), rename, edits);
  return splice(tool, edits);
}

/** The URIs of the pages that a tool names for MCP Apps. */
export function toolPages(tool: string): readonly string[] {
  const pages: string[] = [];
  renameToolPage(tool, (uri) => {
    pages.push(uri);
    return uri;
  });
  return pages;
}

/** The content of a prompt message is one block or, in later versions, several. */
function editContent(text: string, message: Span, rename: Rename, edits: Edit[]): void {
  const content = findSpan(text, ['content'], message.start);
  if (content === undefined) return;
  if (text[content.start] === '{') editBlock(text, content, rename, edits);
  if (text[content.start] === '[') {
    for (const block of scanArray(text, content.start)) editBlock(text, block, rename, edits);
  }
}

function editBlock(text: string, block: Span, rename: Rename, edits: Edit[]): void {
  const members = scanObject(text, block.start);
  const type = members.get('type');
  if (type === undefined) return;
  const kind = sliceSpan(text, type);
  if (kind === '"resource_link"') editString(text, members.get('uri'), rename, edits);
  const resource = members.get('resource');
  if (kind === '"resource"' && resource !== undefined) {
    editString(text, findSpan(text, ['uri'], resource.start), rename, edits);
  }
}

function eachElement(text: string, path: readonly string[], visit: (element: Span) => void): void {
  const list = findSpan(text, path);
  if (list === undefined) return;
  for (const element of scanArray(text, list.start)) visit(element);
}

function editString(text: string, span: Span | undefined, rename: Rename, edits: Edit[]): void {
  if (span === undefined || text[span.start] !== '"') return;
  const value = JSON.parse(sliceSpan(text, span)) as string;
  edits.push({ span, text: JSON.stringify(rename(value)) });
}
