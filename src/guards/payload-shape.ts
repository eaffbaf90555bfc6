/** Describes the shape of a JSON value in a few lines, so that a reader knows what to look for in a large file. */
import { isObject } from '../mcp/message.ts';

/** Beyond this the description would itself become the large payload that it stands for. Counted in characters, roughly. */
const MAX_SHAPE_LENGTH = 8_192;

/** Deeper levels are described by their type alone. */
const MAX_DEPTH = 16;

export type Shape = string | readonly Shape[] | { readonly [key: string]: Shape };

/**
 * The shape of a JSON value: for a leaf its type name, for an array the shape of its first element, for an object the
 * shape of each member. Members that no longer fit are counted under the key `...`.
 */
export function shapeOf(value: unknown): Shape {
  return describe(value, 0, { left: MAX_SHAPE_LENGTH });
}

function describe(value: unknown, depth: number, budget: { left: number }): Shape {
  budget.left -= 8;
  if (Array.isArray(value)) {
    if (value.length === 0) return [];
    return depth === MAX_DEPTH ? 'array' : [describe(value[0], depth + 1, budget)];
  }
  if (!isObject(value)) return value === null ? 'null' : typeof value;
  if (depth === MAX_DEPTH) return 'object';
  const members: [string, Shape][] = [];
  const entries = Object.entries(value);
  for (const [key, member] of entries) {
    if (budget.left < key.length) {
      members.push(['...', `${entries.length - members.length} more`]);
      break;
    }
    budget.left -= key.length;
    members.push([key, describe(member, depth + 1, budget)]);
  }
  // fromEntries, because assigning would take a member named __proto__ for the prototype.
  return Object.fromEntries(members);
}
