/** What an import would do: one step for each object, and everything that stands against it. */
import { GatewayError } from '../../shared/errors.ts';
import type { ChangedPart, StoreWriter } from '../../store/store.ts';
import type { Access } from '../../config/registration.ts';
import type { Permission } from '../../auth/permissions.ts';
import { seesInApi } from '../../auth/authorize.ts';
import type { ImportResult, Transfer, TransferAccess } from '../contract/transfer.ts';
import type { Call } from '../http/call.ts';
import { invalidInput, type FieldError } from '../http/problem.ts';

export type OnConflict = 'skip' | 'update' | 'fail';
type Kind = ImportResult['objects'][number]['kind'];

/** Resolves with the lines of the audit log that tell of it. */
type Apply = (tx: StoreWriter) => Promise<readonly ChangedPart[]>;

export interface Step {
  readonly kind: Kind;
  readonly name: string;
  readonly outcome: ImportResult['objects'][number]['outcome'];
  /** Does nothing unless the outcome is `created` or `updated`. Resolves with what it has done. */
  readonly apply: Apply;
}

/** Collects steps and errors; all parts of an import share one. */
export class Plan {
  readonly call: Call;
  readonly document: Transfer;
  readonly steps: Step[] = [];
  readonly #last: { readonly of: string; readonly apply: Apply }[] = [];
  readonly #onConflict: OnConflict;
  readonly #errors: FieldError[] = [];
  readonly #conflicts: FieldError[] = [];
  readonly #denials: GatewayError[] = [];
  readonly #names = new Set<string>();

  constructor(call: Call, document: Transfer, onConflict: OnConflict) {
    this.call = call;
    this.document = document;
    this.#onConflict = onConflict;
  }

  /**
   * Decides about one object. `before` is what there is under its name; `isSame` tells that the import would change nothing
   * about it, and `isKnown` that the caller may hear of it: else it is checked whatever would become of it, and the check
   * must refuse it. `check` throws GatewayErrors about what cannot be.
   */
  async add({ kind, name, pointer, before, check, apply }: Addition): Promise<void> {
    const identity = identityOf(kind, name);
    if (this.#names.has(identity)) {
      this.#errors.push({ pointer, detail: `"${name}" stands twice`, remedy: 'Take one of the two out.' });
      return;
    }
    this.#names.add(identity);
    if (before?.isKnown === false) {
      await this.#try(pointer, check);
      this.steps.push({ kind, name, outcome: 'skipped', apply: nothing });
    } else if (before?.isSame === true) {
      this.steps.push({ kind, name, outcome: 'unchanged', apply: nothing });
    } else if (before !== undefined && this.#onConflict === 'skip') {
      this.steps.push({ kind, name, outcome: 'skipped', apply: nothing });
    } else {
      if (before !== undefined && this.#onConflict === 'fail') {
        this.#conflicts.push({
          pointer,
          detail: `${kind} "${name}" is there, and is not the same`,
          remedy: 'Import with onConflict=skip or onConflict=update.',
        });
      }
      await this.#try(pointer, check);
      this.steps.push({ kind, name, outcome: before === undefined ? 'created' : 'updated', apply });
    }
  }

  /** Something that an object needs when all others are there. */
  atEnd(kind: Kind, name: string, apply: Apply): void {
    this.#last.push({ of: identityOf(kind, name), apply });
  }

  /** Does everything that is to be done, and says what that was. */
  async apply(tx: StoreWriter): Promise<readonly ChangedPart[]> {
    const parts: ChangedPart[] = [];
    const changed = this.steps.filter(({ outcome }) => outcome === 'created' || outcome === 'updated');
    for (const step of changed) parts.push(...(await step.apply(tx)));
    const names = new Set(changed.map(({ kind, name }) => identityOf(kind, name)));
    for (const { of, apply } of this.#last) if (names.has(of)) parts.push(...(await apply(tx)));
    return parts;
  }

  /** Throws `invalid_input`, `forbidden` or `already_exists`, in this order, with everything of its kind. */
  throwErrors(): void {
    const [first, ...rest] = this.#errors;
    if (first !== undefined) throw invalidInput([first, ...rest]);
    const [denial] = this.#denials;
    if (denial !== undefined) throw denial;
    if (this.#conflicts.length > 0) {
      throw new GatewayError(
        'already_exists',
        `${this.#conflicts.length} objects are there already; nothing was changed.`,
        {
          data: { errors: this.#conflicts },
        },
      );
    }
  }

  get result(): Omit<ImportResult, 'dryRun'> {
    const count = (outcome: Step['outcome']): number => this.steps.filter((step) => step.outcome === outcome).length;
    return {
      created: count('created'),
      updated: count('updated'),
      skipped: count('skipped'),
      unchanged: count('unchanged'),
      objects: this.steps.map(({ kind, name, outcome }) => ({ kind, name, outcome })),
    };
  }

  async #try(pointer: string, check: () => Promise<void> | void): Promise<void> {
    try {
      await check();
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      if (error.code === 'forbidden') this.#denials.push(error);
      else this.#errors.push(...fieldErrorsOf(error, pointer));
    }
  }
}

export interface Addition {
  readonly kind: Kind;
  readonly name: string;
  /** Its place in the document. */
  readonly pointer: string;
  readonly before: { readonly isSame: boolean; readonly isKnown: boolean } | undefined;
  readonly check: () => Promise<void> | void;
  readonly apply: Apply;
}

function fieldErrorsOf({ data, message }: GatewayError, pointer: string): readonly FieldError[] {
  const errors = data['errors'] as readonly FieldError[] | undefined;
  if (errors === undefined) return [{ pointer, detail: message }];
  return errors.map((error) => ({ ...error, pointer: `${pointer}${error.pointer ?? ''}` }));
}

/** What stays as it is needs no step. */
async function nothing(): Promise<readonly ChangedPart[]> {
  return [];
}

/** The action in the audit log, as the route for one object has it. */
export function verb(noun: string, before: unknown): Pick<ChangedPart, 'action'> {
  return { action: `${noun}.${before === undefined ? 'create' : 'update'}` };
}

function identityOf(kind: Kind, name: string): string {
  return `${kind} ${name}`;
}

/** Runs a check of a part; what it finds wrong has its place below that part. */
export async function below<T>(pointer: string, check: () => T | Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'invalid_input') throw error;
    const [first, ...rest] = fieldErrorsOf(error, pointer);
    throw first === undefined ? error : invalidInput([first, ...rest]);
  }
}

/** Teams by name: those that there are, and those that the import makes. */
export async function teamIds(tx: Pick<StoreWriter, 'teams'>): Promise<ReadonlyMap<string, string>> {
  return new Map((await tx.teams()).map(({ id, name }) => [name, id]));
}

/** The access of an imported object once its team is there. */
export function accessWith(teams: ReadonlyMap<string, string>, { visibility, owner, team }: TransferAccess): Access {
  return { visibility, owner: owner ?? undefined, team: team === null ? undefined : teams.get(team) };
}

/**
 * Throws unless the caller may make an object with this access, or change the one that is there. What is given to others
 * needs `visibility.all`, as everywhere.
 */
export async function checkAccess(
  { call, document }: Plan,
  { visibility, owner, team }: TransferAccess,
  permission: Permission,
  before: Access | undefined,
): Promise<void> {
  const { store } = call.context;
  if (before !== undefined) {
    if (!seesInApi(call.principal, before)) throw new GatewayError('already_exists', 'something of this name is there');
    call.need(permission, before);
  }
  const teams = await teamIds(store);
  const id = team === null ? undefined : teams.get(team);
  const errors: FieldError[] = [];
  if (team !== null && id === undefined && !document.teams.some(({ name }) => name === team)) {
    errors.push({ pointer: '/team', detail: `there is no team "${team}"`, remedy: 'Create it, or import it as well.' });
  }
  if (visibility === 'team' && team === null) {
    errors.push({ pointer: '/team', detail: 'is missing', remedy: 'Give the name of a team.' });
  }
  if (visibility === 'private' && owner === null) {
    errors.push({ pointer: '/owner', detail: 'what is private needs an owner', remedy: 'Give an owner.' });
  }
  const isKnown = owner === null || document.users.some(({ email }) => email === owner);
  if (!isKnown && (await store.user(owner)) === undefined) {
    errors.push({
      pointer: '/owner',
      detail: `there is no user "${owner}"`,
      remedy: 'Create the user, or import it as well.',
    });
  }
  const [first, ...rest] = errors;
  if (first !== undefined) throw invalidInput([first, ...rest]);
  const isForeign =
    (owner !== null && owner !== call.principal.user && owner !== before?.owner) ||
    (team !== null && !(id !== undefined && (call.principal.teams.includes(id) || id === before?.team)));
  if (isForeign) call.need('visibility.all');
  call.need(permission, { team: id });
}
