/** Secrets stay with the place that they were given for: whoever may change a server must not be able to read them by sending them elsewhere. */
import { type Entry, separateSecrets } from '../../config/entry-secrets.ts';
import { MASK } from '../contract/gateways.ts';
import { type FieldError, invalidInput } from '../http/problem.ts';

/**
 * Throws `invalid_input` for secrets of `before` that `next` would give to another host, another image or another program in it. `said` is what
 * the caller has written: a secret that stands there itself may go wherever he says.
 */
export function refuseMovedSecrets(before: Entry, next: Entry, said: Entry): void {
  if (placeOf(before) === placeOf(next)) return;
  const { secrets: had } = separateSecrets(before);
  const { secrets: given } = separateSecrets(said);
  const moved = Object.entries(separateSecrets(next).secrets).flatMap(([pointer, value]): FieldError[] => {
    const isGiven = given[pointer] !== undefined && given[pointer] !== MASK;
    // A private key is used, and never sent.
    if (isGiven || had[pointer] !== value || pointer.startsWith('/tls/')) return [];
    return [
      {
        pointer,
        detail: 'was given for another place',
        remedy: 'Give the value itself together with the new place, or null to do without it.',
      },
    ];
  });
  const [first, ...more] = moved;
  if (first !== undefined) throw invalidInput([first, ...more]);
}

/** What decides what becomes of a secret in a container beside its image. A variable can turn any program into another one. */
const RUNS = ['entrypoint', 'entrypointArgs', 'args', 'mounts', 'network', 'env'] as const;

/** Who gets the secrets: an origin; or an image of whatever version, with what it is made to run and where that may send to. */
function placeOf(entry: Entry): string {
  const { type, url, container } = entry;
  if (typeof url === 'string') return JSON.stringify([type, URL.parse(url)?.origin ?? url]);
  const image = String(container)
    .replace(/@.*$/, '')
    .replace(/:[^/:]*$/, '');
  return JSON.stringify([type, image, ...RUNS.map((field) => entry[field] ?? null)]);
}
