/** Failures as problem details (RFC 9457): one shape for every error of the management API. */
import { z } from 'zod';
import { ERRORS, GatewayError, type ErrorCode } from '../../shared/errors.ts';
import { StoreError } from '../../store/store.ts';
import type { StoreErrorCode } from '../../store/store-status.ts';

/** One thing that is wrong with a request. */
export const fieldErrorSchema = z
  .object({
    pointer: z.string().optional().meta({ description: 'JSON pointer (RFC 6901) into the body.' }),
    parameter: z.string().optional().meta({ description: 'Name of the path or query parameter.' }),
    header: z.string().optional().meta({ description: 'Name of the header.' }),
    detail: z.string().meta({ description: 'What is wrong.' }),
    remedy: z.string().optional().meta({ description: 'What to do about it.' }),
  })
  .meta({ id: 'FieldError' });

export const problemSchema = z
  .object({
    type: z.string().meta({ description: 'Where the code is explained.' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().meta({ description: 'One of the codes of `docs/reference/errors.md`.' }),
    retryable: z.boolean().meta({ description: 'True when the same request may succeed later.' }),
    requestId: z.string().meta({ description: 'Stands in the log beside everything that this request did.' }),
    server: z.string().optional().meta({ description: 'Name of the MCP server concerned.' }),
    errors: z.array(fieldErrorSchema).optional(),
  })
  .meta({ id: 'Problem' });

export type FieldError = z.infer<typeof fieldErrorSchema>;
export type Problem = z.infer<typeof problemSchema>;

/** The failure of a request that is well formed and says what cannot be. */
export function invalidInput(errors: readonly [FieldError, ...FieldError[]]): GatewayError {
  const [first, ...more] = errors;
  const where = first.pointer ?? first.parameter ?? first.header;
  const rest = more.length === 0 ? '' : ` (and ${more.length} more)`;
  const message = where === undefined ? first.detail : `${where}: ${first.detail}`;
  return new GatewayError('invalid_input', `${message}${rest}`, { data: { errors: [...errors] } });
}

export function problemOf(failure: GatewayError, requestId: string): Problem {
  const { code, status, message, retryable, server, data } = failure;
  const { errors, ...others } = data;
  return {
    ...others,
    type: `/v1/errors/${code}`,
    title: titleOf(code),
    status,
    detail: message,
    code,
    retryable,
    requestId,
    ...(server === undefined ? {} : { server }),
    ...(errors === undefined ? {} : { errors: errors as FieldError[] }),
  };
}

/** `already_exists` → `Already exists`. */
export function titleOf(code: ErrorCode): string {
  const words = code.replaceAll('_', ' ');
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
}

const CODE_OF_STORE: Readonly<Record<StoreErrorCode, ErrorCode>> = {
  conflict: 'already_exists',
  missing: 'no_such_object',
  stale: 'stale_version',
  full: 'storage_full',
  unavailable: 'storage_unavailable',
};

/** Turns whatever a handler threw into an expected failure; undefined for a fault. `method` is that of the request. */
export function expectedFailure(error: unknown, method: string | undefined): GatewayError | undefined {
  if (error instanceof GatewayError) return error;
  if (!(error instanceof StoreError)) return undefined;
  // What stands against a removal is not another object of the name, but something that still needs it.
  const isHeld = method === 'DELETE' && error.code === 'conflict';
  const code = isHeld ? 'refused_by_state' : CODE_OF_STORE[error.code];
  // What the database says of itself is for the log.
  const message = code === 'storage_unavailable' || code === 'storage_full' ? ERRORS[code].meaning : error.message;
  return new GatewayError(code, message, { cause: error });
}
