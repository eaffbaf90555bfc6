/** The page `docs/reference/api.md`, made from the table of routes. */
import { z } from 'zod';
import type { Route } from '../http/route.ts';
import { errorCodesOf, openApiDocument, operationId } from './document.ts';

/** Markdown. */
export function apiReference(routes: readonly Route[]): string {
  const chapters = [...Map.groupBy(routes, ({ tag }) => tag)].map(([tag, group]) =>
    [`## ${tag}`, ...group.map(sectionOf)].join('\n\n'),
  );
  return `# Management API

Every route, made from \`src/admin/routes/\` by \`npm run generate\`. The running gateway serves the same as an OpenAPI
3.1 document at \`/v1/openapi.json\`, with the schema of every body. How to use it: [Management API](../guides/management-api.md).

| | |
| --- | --- |
| Path | Below \`/v1\`; *also* names paths without it. |
| Permission | What the caller needs; [permissions](permissions.md). |
| Errors | Problem details (RFC 9457); [errors](errors.md). Not listed: those that every route can answer with. |

${chapters.join('\n\n')}

## Bodies

${bodiesOf(routes)}
`;
}

function sectionOf(route: Route): string {
  const { method, path, aliases, requires, summary, description, body, answers, idempotent } = route;
  const also = aliases.length === 0 ? [] : [`- also: ${aliases.map((alias) => `\`${alias}\``).join(', ')}`];
  const permission =
    'permission' in requires
      ? `- permission: \`${requires.permission}\`${requires.otherwise === undefined ? '' : `. ${requires.otherwise}`}`
      : `- permission: none. ${requires.anybody}`;
  const takes =
    body === undefined ? [] : [`- body: ${nameOf(body.schema)}${body.optional ? ' (may be left out)' : ''}`];
  const gives = Object.entries(answers).map(
    ([status, { description: text, schema }]) =>
      `- ${status}: ${text}${schema === undefined ? '' : ` ${nameOf(schema)}`}`,
  );
  const particular = new Set<string>([...route.errors, ...(idempotent ? ['idempotency_mismatch'] : [])]);
  const errors = errorCodesOf(route).filter((code) => particular.has(code));
  return [
    `### ${method} /v1${path}`,
    `${summary}.${description === undefined ? '' : ` ${description}`}`,
    [
      ...also,
      permission,
      ...parametersOf('path', route.params),
      ...parametersOf('query', route.query),
      ...takes,
      ...gives,
      ...(errors.length === 0 ? [] : [`- errors: ${errors.map((code) => `\`${code}\``).join(', ')}`]),
      ...(idempotent ? ['- understands `Idempotency-Key`'] : []),
      `- operation: \`${operationId(route)}\`, audit action: \`${route.action}\``,
    ].join('\n'),
  ].join('\n\n');
}

function parametersOf(place: string, schema: z.ZodObject): readonly string[] {
  return Object.entries(schema.shape).map(([name, field]) => {
    const description = (field as z.ZodType).meta()?.description;
    return `- ${place} \`${name}\`${description === undefined ? '' : `: ${description}`}`;
  });
}

/** A link to where the schema is written down, or its kind. */
function nameOf(schema: z.ZodType): string {
  const { id } = schema.meta() ?? {};
  if (id !== undefined) return `[${id}](#${id.toLowerCase()})`;
  if (!(schema instanceof z.ZodObject)) return '';
  const { items } = schema.shape as { readonly items?: z.ZodType };
  return items instanceof z.ZodArray ? `A page of ${nameOf(items.element as z.ZodType)}` : '';
}

interface Property {
  readonly description?: string;
  readonly default?: unknown;
}

function bodiesOf(routes: readonly Route[]): string {
  const { schemas } = openApiDocument(routes, '')['components'] as {
    readonly schemas: Readonly<
      Record<
        string,
        Property & { readonly properties?: Readonly<Record<string, unknown>>; readonly required?: readonly string[] }
      >
    >;
  };
  return Object.entries(schemas)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, { description, properties, required = [], ...rest }]) => {
      const intro = description === undefined ? [] : [description];
      if (properties === undefined) return [`### ${name}`, ...intro, `\`${JSON.stringify(rest)}\``].join('\n\n');
      const rows = Object.entries(properties).map(([field, property]) => {
        const { description: text = '', default: fallback } = property as Property;
        const need = required.includes(field)
          ? 'yes'
          : fallback === undefined
            ? 'no'
            : `no, \`${JSON.stringify(fallback)}\``;
        return `| \`${field}\` | ${escaped(typeOf(property))} | ${need} | ${escaped(text)} |`;
      });
      return [
        `### ${name}`,
        ...intro,
        ['| field | type | required | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n'),
      ].join('\n\n');
    })
    .join('\n\n');
}

/** In a few words; the OpenAPI document has all of it. */
function typeOf(schema: unknown): string {
  if (typeof schema !== 'object' || schema === null) return 'anything';
  const { $ref, type, items, enum: values, anyOf, const: only } = schema as Readonly<Record<string, unknown>>;
  if (typeof $ref === 'string') {
    const name = $ref.split('/').at(-1) ?? '';
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (only !== undefined) return `\`${JSON.stringify(only)}\``;
  if (Array.isArray(values)) return values.map((value) => `\`${String(value)}\``).join(', ');
  if (Array.isArray(anyOf)) return [...new Set(anyOf.map(typeOf))].join(' or ');
  if (type === 'array') return `list of ${typeOf(items)}`;
  return typeof type === 'string' ? type : 'anything';
}

function escaped(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
