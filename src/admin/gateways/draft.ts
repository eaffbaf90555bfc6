/** From what somebody wants to register to a server that could be opened, or to everything that is wrong with it. */
import type { Config, Diagnostic, ServerConfig } from '../../config/config.ts';
import { canonicalEntry, type Entry, joinSecrets, separateSecrets } from '../../config/entry-secrets.ts';
import type { Access } from '../../config/registration.ts';
import type { Registrable, StoredConfig } from '../../runtime/stored-config.ts';
import { isFields } from '../compatibility.ts';
import { MASK } from '../contract/gateways.ts';
import { type FieldError, invalidInput } from '../http/problem.ts';
import { withQueryApart } from './url-query.ts';
import { refuseMovedSecrets } from './moved-secrets.ts';

/** Fields of a body that say something of the registration, or that only an answer has; all others are the entry's. */
const NOT_OF_ENTRY = new Set([
  'id',
  'name',
  'description',
  'visibility',
  'owner',
  'team',
  'tags',
  'enabled',
  'source',
  'status',
  'createdAt',
  'updatedAt',
]);

/** The entry in a body. A field that is null is one that is not there. */
export function entryOf(body: Readonly<Record<string, unknown>>): Entry {
  const fields = Object.entries(body).filter(
    ([name, value]) => !NOT_OF_ENTRY.has(name) && value !== undefined && value !== null,
  );
  return withQueryApart(canonicalEntry(Object.fromEntries(fields)));
}

/** An entry with the fields of a change in it: what is null goes, a masked secret is what it was, in the place that it was given for. Throws `invalid_input`. */
export function changedEntry(before: Pick<Registrable, 'document' | 'secrets'>, change: Entry): Entry {
  const { tlsChange, ...body } = change;
  const removed = new Set(Object.keys(body).filter((name) => body[name] === null));
  const kept = Object.entries(joinSecrets(before)).filter(([name]) => !removed.has(name));
  const said = entryOf(body);
  const { query, tls } = Object.fromEntries(kept);
  // What stands in a new URL comes beside what was said of the query before.
  const both = body['query'] === undefined && isFields(query) ? { query: { ...query, ...Object(said['query']) } } : {};
  const held = said['tls'] ?? tls;
  const material = isFields(tlsChange) ? { tls: withoutNull({ ...(isFields(held) ? held : {}), ...tlsChange }) } : {};
  const next = unmasked({ ...Object.fromEntries(kept), ...said, ...both, ...material }, before.secrets);
  refuseMovedSecrets(joinSecrets(before), next, said);
  return next;
}

/** undefined when nothing is left. */
function withoutNull(fields: Entry): Entry | undefined {
  const left = Object.entries(fields).filter(([, value]) => value !== null);
  return left.length === 0 ? undefined : Object.fromEntries(left);
}

/** With the secrets that were there in the place of masks. Throws `invalid_input` for a mask that covers nothing. */
export function unmasked(entry: Entry, before: Readonly<Record<string, string>>): Entry {
  const { document, secrets } = separateSecrets(entry);
  const errors: FieldError[] = [];
  const found = Object.entries(secrets).map(([pointer, value]) => {
    if (value !== MASK) return [pointer, value] as const;
    const known = before[pointer];
    if (known === undefined)
      errors.push({ pointer, detail: 'is masked, and there is nothing behind it', remedy: 'Give the value itself.' });
    return [pointer, known ?? ''] as const;
  });
  const [first, ...more] = errors;
  if (first !== undefined) throw invalidInput([first, ...more]);
  return joinSecrets({ document, secrets: Object.fromEntries(found) });
}

export interface Draft {
  readonly id: string;
  readonly name: string;
  readonly entry: Entry;
  readonly access: Access;
  readonly description: string | undefined;
  readonly tags: readonly string[];
}

export interface CheckedDraft {
  readonly record: Registrable;
  readonly server: ServerConfig;
}

/** Throws `invalid_input` with every fault, each with its place in the body and what to do about it. */
export async function checkDraft(draft: Draft, stored: StoredConfig, config: Config): Promise<CheckedDraft> {
  const { entry, ...about } = draft;
  const record: Registrable = { ...about, ...separateSecrets(entry) };
  const refused = refusedFields(entry);
  const built = await stored.build(record, await stored.context(config));
  const [first, ...more] = [...refused, ...(built.ok ? [] : built.errors.map(fieldErrorOf))];
  if (first !== undefined) throw invalidInput([first, ...more]);
  if (!built.ok) throw new Error('a server was refused without a reason');
  return { record, server: built.server };
}

/** What a file may say and nobody else: it would use credentials of the gateway itself, or hide a secret from encryption. */
function refusedFields(entry: Entry): FieldError[] {
  const errors: FieldError[] = [];
  if (entry['auth'] !== undefined) {
    errors.push({
      pointer: '/auth',
      detail: 'is only for servers in a configuration file: it would send credentials of the gateway itself',
      remedy: "Give the server's own credentials in 'headers' or 'query'.",
    });
  }
  const { url } = entry;
  if (typeof url === 'string' && (URL.parse(url)?.search ?? '') !== '') {
    errors.push({
      pointer: '/url',
      detail:
        "has a query that cannot be kept apart and encrypted: a parameter without a name, twice, or also in 'query'",
      remedy: "Give each parameter once, in the URL or in 'query'.",
    });
  }
  const args = entry['args'];
  const variable = Array.isArray(args)
    ? args.findIndex((arg) => /^(?:-e|--env)(?:$|=|[A-Za-z_])/.test(String(arg)))
    : -1;
  if (variable >= 0) {
    errors.push({
      pointer: `/args/${variable}`,
      detail: 'variables of registered servers cannot be given as arguments, where they would not be encrypted',
      remedy: "Give them in 'env'.",
    });
  }
  return errors;
}

export function fieldErrorOf({ path, message, suggestion }: Diagnostic): FieldError {
  return { pointer: pointerOf(path), detail: message, remedy: suggestion };
}

/** `mounts[0]`, `headers."X/Y"` → `/mounts/0`, `/headers/X~1Y`. */
function pointerOf(path: string): string {
  const steps = path.match(/"(?:[^"\\]|\\.)*"|\[\d+\]|[A-Za-z0-9_-]+/g) ?? [];
  return steps
    .map((step) => (step.startsWith('"') ? String(JSON.parse(step)) : step.replaceAll(/[[\]]/g, '')))
    .map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('');
}
