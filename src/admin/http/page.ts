/** Lists in pages. A cursor names the last object of its page, not a number of them, so writes neither hide nor repeat any. */
import { z } from 'zod';
import { invalidInput } from './problem.ts';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 500;

/** The query parameters of every list. */
export const pageQuery = {
  cursor: z
    .string()
    .max(512)
    .optional()
    .meta({ description: '`nextCursor` of the page before. Leave it out for the first page.' }),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(MAX_LIMIT)
    .default(DEFAULT_LIMIT)
    .meta({ description: `How many objects at most, 1 to ${MAX_LIMIT}.` }),
};

export interface PageQuery {
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** The answer of a list. */
export function pageOf<T extends z.ZodType>(
  item: T,
): z.ZodObject<{ items: z.ZodArray<T>; nextCursor: z.ZodOptional<z.ZodString> }> {
  return z.object({
    items: z.array(item),
    nextCursor: z.string().optional().meta({ description: 'Leads to the next page; missing on the last one.' }),
  });
}

/**
 * One page, in the order of the keys. A key must be unique and never change, such as an id; objects that are made while
 * somebody pages come where their key puts them. Throws `invalid_input` for a cursor that is none.
 */
export function paged<T, R>(
  all: readonly T[],
  keyOf: (object: T) => string,
  { cursor, limit }: PageQuery,
  present: (object: T) => R,
): { readonly items: readonly R[]; readonly nextCursor?: string } {
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
  const sorted = all
    .map((object) => ({ key: keyOf(object), object }))
    .filter(({ key }) => after === undefined || key > after)
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const page = sorted.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map(({ object }) => present(object)),
    ...(last === undefined || sorted.length <= limit ? {} : { nextCursor: encodeCursor(last.key) }),
  };
}

export function encodeCursor(key: string): string {
  return Buffer.from(JSON.stringify([key])).toString('base64url');
}

/** Throws `invalid_input`. */
export function decodeCursor(cursor: string): string {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(value) && typeof value[0] === 'string') return value[0];
  } catch {
    // Said below.
  }
  throw invalidInput([
    {
      parameter: 'cursor',
      detail: 'is not a cursor of this API',
      remedy: 'Use the nextCursor of the page before, or none for the first page.',
    },
  ]);
}
