/** Reads the TOML dialect. */
import { parse, TomlError } from 'smol-toml';
import { isTable, isTooDeep, lineIndex, pathKey, type ParsedSource, TOO_DEEP } from './document.ts';
import { locateToml } from './toml-positions.ts';

/** Parses TOML text. The first syntax error ends it: what follows could only be guessed. */
export function parseToml(text: string): ParsedSource {
  try {
    const parsed = parse(text);
    if (isTooDeep(parsed)) return { ok: false, errors: [TOO_DEEP] };
    const value = withoutPrototypes(parsed);
    const positionAt = lineIndex(text);
    const places = locateToml(text);
    return {
      ok: true,
      document: {
        dialect: 'toml',
        value,
        positionOf(path, part) {
          if (path.length === 0) return { line: 1, column: 1 };
          const place = places.get(pathKey(path));
          return place === undefined ? undefined : positionAt(place[part]);
        },
      },
    };
  } catch (cause) {
    // The parser recurses; this is the stack's end.
    if (cause instanceof RangeError) return { ok: false, errors: [TOO_DEEP] };
    if (!(cause instanceof TomlError)) throw cause;
    const reason = cause.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '') ?? '';
    return {
      ok: false,
      errors: [
        {
          severity: 'error',
          path: '',
          message: `this is not valid TOML: ${reason}`,
          suggestion: 'Correct the line; strings need quotes, and a name may stand only once in a table.',
          line: cause.line,
          column: cause.column,
        },
      ],
    };
  }
}

/** Tables without a prototype, so that a name such as `constructor` means nothing but itself. */
function withoutPrototypes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPrototypes);
  if (!isTable(value)) return value;
  const table: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, inner] of Object.entries(value)) table[name] = withoutPrototypes(inner);
  return table;
}
