/** Reads the JSON dialect: strict JSON, where a name that stands twice in one object is an error. */
import {
  findNodeAtLocation,
  getNodeValue,
  type Node,
  type ParseError,
  parseTree,
  printParseErrorCode,
} from 'jsonc-parser';
import type { Diagnostic } from '../config.ts';
import { formatPath, isTooDeep, lineIndex, type ParsedSource, type Path, TOO_DEEP } from './document.ts';

/** Parses JSON text. Syntax errors are all reported, each with its place. */
export function parseJson(text: string): ParsedSource {
  const positionAt = lineIndex(text);
  const syntaxErrors: ParseError[] = [];
  let root: Node | undefined;
  let value: unknown;
  try {
    root = parseTree(text, syntaxErrors, {
      disallowComments: true,
      allowTrailingComma: false,
      allowEmptyContent: false,
    });
    value = root === undefined ? undefined : getNodeValue(root);
  } catch (cause) {
    // The parser recurses; this is the stack's end.
    if (!(cause instanceof RangeError)) throw cause;
    return failure([TOO_DEEP]);
  }
  if (isTooDeep(value)) return failure([TOO_DEEP]);
  // One fault in the syntax makes the parser stumble several times; only the first is meant by the writer.
  const [first] = syntaxErrors;
  if (first !== undefined) {
    return failure([
      {
        ...problem(
          '',
          `this is not valid JSON: ${describe(first)}`,
          'Correct the JSON at this place; comments and trailing commas are not part of JSON.',
        ),
        ...positionAt(first.offset),
      },
    ]);
  }
  if (root === undefined)
    return failure([problem('', 'the document is empty', 'Write a JSON object with `mcpServers` and `gateway`.')]);
  const tree = root;
  const duplicates = findDuplicates(tree, []).map(({ path, offset }) => ({
    ...problem(
      formatPath(path),
      `the name '${String(path.at(-1))}' stands twice in the same object`,
      'Keep one of the two; it cannot be known which one was meant.',
    ),
    ...positionAt(offset),
  }));
  if (duplicates.length > 0) return failure(duplicates);
  return {
    ok: true,
    document: {
      dialect: 'json',
      value,
      positionOf(path, part) {
        const node = findNodeAtLocation(tree, [...path]);
        if (node === undefined) return undefined;
        const property = node.parent?.type === 'property' ? node.parent : undefined;
        return positionAt(part === 'key' && property !== undefined ? property.offset : node.offset);
      },
    },
  };
}

function failure(errors: readonly Diagnostic[]): ParsedSource {
  return { ok: false, errors };
}

function problem(path: string, message: string, suggestion: string): Diagnostic {
  return { severity: 'error', path, message, suggestion };
}

/** `CommaExpected` → `comma expected`. */
function describe(error: ParseError): string {
  return printParseErrorCode(error.error)
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toLowerCase();
}

function findDuplicates(node: Node, path: Path): { path: Path; offset: number }[] {
  const found: { path: Path; offset: number }[] = [];
  const names = new Set<string>();
  for (const [index, child] of (node.children ?? []).entries()) {
    if (node.type === 'array') {
      found.push(...findDuplicates(child, [...path, index]));
      continue;
    }
    const [key, value] = child.children ?? [];
    if (key === undefined) continue;
    const name = String(key.value);
    if (names.has(name)) found.push({ path: [...path, name], offset: key.offset });
    names.add(name);
    if (value !== undefined) found.push(...findDuplicates(value, [...path, name]));
  }
  return found;
}
