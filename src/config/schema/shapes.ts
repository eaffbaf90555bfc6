/** Small schemas that several parts of the configuration share. */
import * as z from 'zod';
import { MAX_TIMER_SECONDS } from '../defaults.ts';
import { field } from './field.ts';

/** A string that says something. */
export const text = z.string().regex(/\S/);

export const flag = z.boolean();

export const textList = z.array(field(text, { description: 'One entry.', expects: 'a non-empty string' }));

/** Whole seconds that a timer can hold. */
export function seconds(least: number): z.ZodInt {
  return z.int().min(least).max(MAX_TIMER_SECONDS);
}
