/** The OpenAPI 3.1 document of the management API, made from the table of routes and their schemas. */
import { z } from 'zod';
import { ERRORS, type ErrorCode } from '../../shared/errors.ts';
import { problemSchema } from '../http/problem.ts';
import type { AnswerContract, Route } from '../http/route.ts';

type Json = Readonly<Record<string, unknown>>;

/** Codes that every route can answer with. */
const COMMON: readonly ErrorCode[] = [
  'malformed_authorization',
  'unauthorized',
  'forbidden',
  'forbidden_host',
  'invalid_input',
  'storage_unavailable',
  'internal',
];
const WITH_BODY: readonly ErrorCode[] = ['parse_error', 'request_timeout', 'body_too_large', 'unsupported_media_type'];
const CHANGING: readonly ErrorCode[] = ['storage_full', 'shutting_down'];

export interface OpenApiDocument extends Json {
  readonly openapi: '3.1.1';
  readonly paths: Readonly<Record<string, Json>>;
}

/** `version` is that of the gateway. */
export function openApiDocument(routes: readonly Route[], version: string): OpenApiDocument {
  const schemas = new SchemaSet();
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = (paths[`/v1${route.path}`] ??= {});
    path[route.method.toLowerCase()] = operation(route, schemas);
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Gatehouse management API',
      version,
      description:
        'Registers, groups and watches MCP servers while the gateway runs. Every path can also be used without `/v1` where `x-aliases` says so. Errors are problem details (RFC 9457).',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API token, a JWT, or an agent id.' },
      },
      schemas: schemas.components,
    },
  };
}

/** `server.set-state` → `serverSetState`. */
export function operationId({ action }: Route): string {
  return action.replaceAll(/[.-](\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** Codes of every failure that the route can answer with. */
export function errorCodesOf(route: Route): readonly ErrorCode[] {
  const missing: readonly ErrorCode[] = route.path.includes('{') ? ['no_such_object'] : [];
  const keys: readonly ErrorCode[] = route.idempotent ? ['idempotency_mismatch', 'idempotency_in_progress'] : [];
  const body = route.body === undefined ? [] : WITH_BODY;
  const changing = route.method === 'GET' ? [] : CHANGING;
  return [...new Set([...COMMON, ...body, ...changing, ...missing, ...keys, ...route.errors])];
}

function operation(route: Route, schemas: SchemaSet): Json {
  const { requires, body } = route;
  return {
    operationId: operationId(route),
    tags: [route.tag],
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    parameters: [
      ...parameters(route.params, 'path', schemas),
      ...parameters(route.query, 'query', schemas),
      ...headers(route),
    ],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !body.optional,
            content: { 'application/json': { schema: schemas.of(body.schema, 'input') } },
          },
        }),
    responses: responses(route, schemas),
    'x-permission': 'permission' in requires ? requires.permission : null,
    ...('anybody' in requires ? { 'x-why-anybody': requires.anybody } : {}),
    ...('permission' in requires && requires.otherwise !== undefined ? { 'x-otherwise': requires.otherwise } : {}),
    'x-aliases': route.aliases,
  };
}

function parameters(schema: z.ZodObject, place: 'path' | 'query', schemas: SchemaSet): readonly Json[] {
  return Object.entries(schema.shape).map(([name, field]) => {
    const { description, ...type } = schemas.of(field as z.ZodType, 'input');
    const isOptional = place === 'query' && (field as z.ZodType).safeParse(undefined).success;
    return {
      name,
      in: place,
      required: !isOptional,
      ...(description === undefined ? {} : { description }),
      schema: type,
    };
  });
}

function headers(route: Route): readonly Json[] {
  const { errors, idempotent } = route;
  const header = (name: string, description: string): Json => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  });
  return [
    ...(errors.includes('stale_version')
      ? [header('If-Match', 'The `ETag` of the object as the caller has seen it; the change is made only to that.')]
      : []),
    ...(hasTag(route) ? [header('If-None-Match', 'An `ETag`; 304 when the object is still the same.')] : []),
    ...(idempotent
      ? [header('Idempotency-Key', 'A key of the caller. The same request with the same key is done once.')]
      : []),
  ];
}

interface Response {
  readonly description: string;
  readonly content?: Readonly<Record<string, Json>>;
}

/** A status may be both that of an answer and that of a failure: the content type then tells which it is. */
function responses(route: Route, schemas: SchemaSet): Json {
  const all: Record<string, Response> = { ...answers(route, schemas) };
  for (const [status, failure] of Object.entries(failures(route, schemas))) {
    const answer = all[status];
    all[status] =
      answer === undefined
        ? failure
        : {
            description: `${answer.description}\n\n${failure.description}`,
            content: { ...answer.content, ...failure.content },
          };
  }
  if (hasTag(route)) all['304'] = { description: 'The object is as the entity tag in `If-None-Match` says.' };
  return all;
}

function hasTag({ method, path }: Route): boolean {
  return method === 'GET' && path.includes('{');
}

function answers({ answers: contracts }: Route, schemas: SchemaSet): Readonly<Record<string, Response>> {
  return Object.fromEntries(
    Object.entries(contracts).map(([status, contract]: [string, AnswerContract]) => {
      const { description, schema, contentType = 'application/json' } = contract;
      const content = schema && { [contentType]: { schema: schemas.of(schema, 'output') } };
      return [status, { description, ...(content === undefined ? {} : { content }) }];
    }),
  );
}

function failures(route: Route, schemas: SchemaSet): Readonly<Record<string, Response>> {
  const codes = Map.groupBy(errorCodesOf(route), (code) => ERRORS[code].status);
  return Object.fromEntries(
    [...codes].map(([status, group]) => [
      String(status),
      {
        description: group.map((code) => `\`${code}\`: ${ERRORS[code].meaning}`).join('\n\n'),
        content: { 'application/problem+json': { schema: schemas.of(problemSchema, 'output') } },
      },
    ]),
  );
}

/** Schemas that have a name stand once, under `components`. */
class SchemaSet {
  readonly components: Record<string, Json> = {};

  of(schema: z.ZodType, io: 'input' | 'output'): Json {
    const {
      $schema: _dialect,
      $defs = {},
      ...own
    } = z.toJSONSchema(schema, {
      io,
      target: 'draft-2020-12',
      unrepresentable: 'any',
      reused: 'inline',
      // Answers may grow: a client that refuses what it does not know would break with the next version.
      override: ({ jsonSchema }) => {
        if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
      },
    }) as Json & { readonly $defs?: Record<string, Json> };
    for (const [name, definition] of Object.entries($defs)) this.components[name] = moved(definition) as Json;
    const { id, ...anonymous } = moved(own) as Json;
    if (typeof id !== 'string') return anonymous;
    this.components[id] = anonymous;
    return { $ref: `#/components/schemas/${id}` };
  }
}

/** References lead to the components; the ids that name them there are said once. */
function moved(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(moved);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      key === '$ref' && typeof member === 'string'
        ? member.replace('#/$defs/', '#/components/schemas/')
        : moved(member),
    ]),
  );
}
