/** How a route of the management API is declared: nothing can be reached that does not say who may reach it. */
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Permission } from '../../auth/permissions.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import type { Call } from './call.ts';

/** Who may use a route. There is no way to leave it out. */
export type Requirement =
  /** Whoever has the permission, for the objects that it holds for. */
  | {
      readonly permission: Permission;
      /** What those may do here who do not have the permission, for people; undefined = nothing. The handler sees to it. */
      readonly otherwise?: string;
    }
  /** Everybody who is authenticated; the reason why that does no harm, for people. */
  | { readonly anybody: string };

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Route {
  /** Stable name, `object.verb`: the action in the audit log and, in camel case, the operation id of OpenAPI. */
  readonly action: string;
  readonly method: Method;
  /** Below `/v1`, with parameters in braces: `/servers/{id}`. */
  readonly path: string;
  /** Further paths without `/v1`, which stand for the same; `path` itself is among them unless that is taken. */
  readonly aliases: readonly string[];
  readonly requires: Requirement;
  /** True when tokens that are confined to virtual servers may use it. The handler keeps to those. */
  readonly forConfinedTokens: boolean;
  /** Chapter of the reference. */
  readonly tag: string;
  /** One line. */
  readonly summary: string;
  readonly description: string | undefined;
  readonly params: z.ZodObject;
  readonly query: z.ZodObject;
  /** undefined = the route takes no body. */
  readonly body: RouteBody | undefined;
  readonly answers: Answers;
  /** Codes beyond those that every route can answer with. */
  readonly errors: readonly ErrorCode[];
  /** True when the route understands `Idempotency-Key`. */
  readonly idempotent: boolean;
  readonly handle: (call: Call) => Promise<Answer>;
}

export interface RouteBody {
  readonly schema: z.ZodType;
  /** Larger ones are refused with 413. */
  readonly maxBytes: number;
  /** True when the body may be left out. */
  readonly optional: boolean;
  /** Puts the words of other products into ours, before the schema sees them. */
  readonly normalize: ((body: unknown) => unknown) | undefined;
}

/** What the route answers with when all is well, by HTTP status. */
export type Answers = Readonly<Record<number, AnswerContract>>;

export interface AnswerContract {
  readonly description: string;
  /** undefined = no body. */
  readonly schema?: z.ZodType;
  /** `application/json` unless it says otherwise. */
  readonly contentType?: string;
}

export type Answer = JsonAnswer | TextAnswer | StreamedAnswer;

export interface JsonAnswer {
  /** 200 unless it says otherwise. */
  readonly status?: number;
  /** undefined = an answer without a body. */
  readonly body?: unknown;
  /** What identifies this state of the resource, without quotes. */
  readonly etag?: string;
  /** True when the body shows more than that, such as health: two bodies under one `etag` may differ. */
  readonly live?: true;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TextAnswer {
  readonly text: string;
  readonly contentType: string;
}

export interface StreamedAnswer {
  /** Writes head and body; resolves when the stream has ended. */
  readonly stream: (response: ServerResponse) => Promise<void>;
}

/** No parameters. */
type Empty = Readonly<Record<string, never>>;

export interface RouteDeclaration<
  P extends Readonly<Record<string, z.ZodType>>,
  Q extends Readonly<Record<string, z.ZodType>>,
  B extends z.ZodType,
> {
  readonly action: string;
  readonly method: Method;
  readonly path: string;
  /** Instead of the same path without `/v1`. */
  readonly aliases?: readonly string[];
  readonly requires: Requirement;
  readonly forConfinedTokens?: boolean;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly maxBodyBytes?: number;
  readonly optionalBody?: boolean;
  readonly normalize?: (body: unknown) => unknown;
  readonly answers: Answers;
  readonly errors?: readonly ErrorCode[];
  readonly idempotent?: boolean;
  readonly handle: (call: Call<z.output<z.ZodObject<P>>, z.output<z.ZodObject<Q>>, z.output<B>>) => Promise<Answer>;
}

const DEFAULT_MAX_BODY_BYTES = 1024 * 1024;

/** Declares a route. Parameters, query and body reach `handle` as their schemas have made them. */
export function route<
  P extends Readonly<Record<string, z.ZodType>> = Empty,
  Q extends Readonly<Record<string, z.ZodType>> = Empty,
  B extends z.ZodType = z.ZodUndefined,
>(declaration: RouteDeclaration<P, Q, B>): Route {
  const { body, maxBodyBytes, optionalBody } = declaration;
  return {
    action: declaration.action,
    method: declaration.method,
    path: declaration.path,
    aliases: declaration.aliases ?? [declaration.path],
    requires: declaration.requires,
    forConfinedTokens: declaration.forConfinedTokens ?? false,
    tag: declaration.tag,
    summary: declaration.summary,
    description: declaration.description,
    params: z.strictObject(declaration.params ?? {}),
    query: z.strictObject(declaration.query ?? {}),
    body: body && {
      schema: body,
      maxBytes: maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES,
      optional: optionalBody ?? false,
      normalize: declaration.normalize,
    },
    answers: declaration.answers,
    errors: declaration.errors ?? [],
    idempotent: declaration.idempotent ?? false,
    // The schemas above are what makes the values; nothing else calls it.
    handle: declaration.handle as (call: Call) => Promise<Answer>,
  };
}
