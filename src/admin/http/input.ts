/** What a request says, checked by the schemas of its route: parameters, query and body. */
import type { z } from 'zod';
import { GatewayError } from '../../shared/errors.ts';
import { invalidInput, type FieldError } from './problem.ts';

type Issue = z.core.$ZodIssue;

/** Throws `invalid_input` with every parameter that is wrong. */
export function checkedParameters(schema: z.ZodObject, values: Readonly<Record<string, unknown>>): unknown {
  return checked(schema, values, (path) => ({ parameter: String(path[0] ?? '') }));
}

/** Query parameters as an object; one that stands several times is a list. */
export function queryOf(target: string): Readonly<Record<string, unknown>> {
  const start = target.indexOf('?');
  const values: Record<string, unknown> = {};
  for (const [name, value] of new URLSearchParams(start === -1 ? '' : target.slice(start + 1))) {
    const before = Object.hasOwn(values, name) ? values[name] : undefined;
    const next =
      before === undefined ? value : Array.isArray(before) ? [...(before as unknown[]), value] : [before, value];
    Object.defineProperty(values, name, { value: next, enumerable: true, configurable: true, writable: true });
  }
  return values;
}

/** Throws `parse_error` for what is not JSON. */
export function parsedBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8 quotes the place, which may be a secret.
    const where = /position \d+( \(line \d+ column \d+\))?/.exec(error instanceof Error ? error.message : '')?.[0];
    throw new GatewayError('parse_error', `The body is not valid JSON${where === undefined ? '' : `, at ${where}`}.`);
  }
}

/** Throws `invalid_input` with every field that is wrong. */
export function checkedBody(schema: z.ZodType, value: unknown): unknown {
  return checked(schema, value, (path) => ({ pointer: pointerOf(path) }));
}

/** RFC 6901; empty for the whole document. */
export function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

type Place = (path: readonly PropertyKey[]) => Pick<FieldError, 'pointer' | 'parameter'>;

function checked(schema: z.ZodType, value: unknown, place: Place): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.flatMap((issue) => fieldErrorsOf(issue, place));
  // Of everything that is wrong with one field, the first thing is enough.
  const [first, ...rest] = new Map(errors.toReversed().map((error) => [error.pointer ?? error.parameter, error]))
    .values()
    .toArray()
    .toReversed();
  if (first === undefined) throw new Error('a schema refused a value and did not say why');
  throw invalidInput([first, ...rest]);
}

function fieldErrorsOf(issue: Issue, place: Place): readonly FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      ...place([...issue.path, key]),
      detail: 'there is no such field',
      remedy: 'Take it out, or correct its name; the reference lists every field.',
    }));
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // The alternative that fits best says most about what was meant.
    const best = issue.errors.toSorted((a, b) => depthOf(b) - depthOf(a) || a.length - b.length)[0] ?? [];
    if (best.length > 0 && depthOf(best) > 0) {
      return best.flatMap((inner) => fieldErrorsOf({ ...inner, path: [...issue.path, ...inner.path] }, place));
    }
  }
  return [{ ...place(issue.path), ...explained(issue) }];
}

function depthOf(issues: readonly Issue[]): number {
  return Math.max(0, ...issues.map(({ path }) => path.length));
}

function explained(issue: Issue): Pick<FieldError, 'detail' | 'remedy'> {
  if (issue.code === 'invalid_type' && issue.input === undefined && issue.message.endsWith('received undefined')) {
    return { detail: 'is missing', remedy: `Add it: ${articled(issue.expected)}.` };
  }
  const [detail, ...remedy] = issue.message.split(' → ');
  return { detail: detail ?? issue.message, ...(remedy.length === 0 ? {} : { remedy: remedy.join(' → ') }) };
}

function articled(type: string): string {
  return `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type}`;
}
