/** The listing that a contender must give each time, from one that was looked at in full. */
import type { Running } from '../contender.ts';
import { headersOf, post, requestText } from './requests.ts';

const PATIENCE_MS = 60_000;
const ID = 4_711_471_147;

export interface Listed {
  readonly servers: number;
  readonly tools: number;
  /** Names are those of one server that has all tools. */
  readonly together: boolean;
}

/** Names that must be listed: `echo` and `tool-<n>`, for each server with the prefix that the contender puts before. */
export function expectedNames({ servers, tools, together }: Listed, prefix: string): string[] {
  const namesOf = (count: number): string[] =>
    Array.from({ length: count }, (_, index) => (index === 0 ? 'echo' : `tool-${index}`));
  if (together) return namesOf(servers * tools);
  const names = namesOf(tools);
  return Array.from({ length: servers }, (_, index) =>
    names.map((name) => `${serverName(index)}${prefix}${name}`),
  ).flat();
}

/** Name of a server, by its number. The first one is `bench`. */
export function serverName(index: number): string {
  return index === 0 ? 'bench' : `other${index}`;
}

/** One listing: its text, and the names of the tools. */
export async function listOnce(target: Running): Promise<{ readonly text: string; readonly names: readonly string[] }> {
  const { text } = await post(target, requestText('modern', 'tools/list', {}, ID), headersOf('modern', 'tools/list'));
  const answer = JSON.parse(text) as { readonly result?: { readonly tools?: readonly { readonly name: string }[] } };
  return { text, names: (answer.result?.tools ?? []).map(({ name }) => name) };
}

/** The whole listing as a text with \x01 for the id. Waits until it is complete; rejects when it does not become so. */
export async function expectedListing(target: Running, listed: Listed): Promise<string> {
  const wanted = expectedNames(listed, '___').toSorted();
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const { text, names } = await listOnce(target);
    const complete = names.length === wanted.length && names.toSorted().every((name, index) => name === wanted[index]);
    if (complete) return text.replace(`"id":${ID}`, '"id":\x01');
    if (performance.now() > deadline)
      throw new Error(`the listing has ${names.length} tools in place of ${wanted.length}, or other names`);
  }
}
