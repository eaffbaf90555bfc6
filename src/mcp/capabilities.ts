/** What clients and servers declare that they can do. */
import { isObject, type JsonObject } from './message.ts';

/** Capabilities with which a client says that servers may send it requests. */
const ASKING = ['sampling', 'elicitation', 'roots', 'tasks'] as const;

/** True when a client with these capabilities can be asked something. */
export function isAskable(capabilities: JsonObject): boolean {
  return ASKING.some((name) => isObject(capabilities[name]));
}
