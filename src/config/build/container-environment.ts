/** Puts the variables of a container together: what `env` says, what `-e` says, and what is taken from the gateway's own environment. */
import type { ContainerOptions } from '../container-options.ts';
import type { Diagnostics } from '../diagnostics.ts';
import { type Scope, writtenPath } from '../dialect.ts';
import type { Environment } from '../expand.ts';
import { envNameFault } from '../values/env-name.ts';
import { named } from './check.ts';

/** The variables with their values. `own` are the sound entries of the field `env`, `env` is the gateway's environment. */
export function containerVariables(
  scope: Scope,
  own: Readonly<Record<string, string>>,
  options: ContainerOptions,
  env: Environment,
  log: Diagnostics,
): Readonly<Record<string, string>> {
  const result = new Map<string, string>();
  fromField(scope, own, options, env, log, result);
  fromArguments(scope, own, options, env, log, result);
  return Object.fromEntries(result);
}

function fromField(
  scope: Scope,
  own: Readonly<Record<string, string>>,
  options: ContainerOptions,
  env: Environment,
  log: Diagnostics,
  result: Map<string, string>,
): void {
  for (const [name, value] of Object.entries(own)) {
    const path = writtenPath(scope, ['env', name]);
    const fault = envNameFault(name);
    if (fault !== undefined) log.error({ path, ...fault, atKey: true });
    // Only an empty value in the text asks for the gateway's own variable; one that a variable made empty is just empty.
    const isPassedOn = value === '' && log.originOf(path) === undefined;
    const known = isPassedOn ? valueIn(env, name) : value;
    if (known !== undefined) result.set(name, known);
    else if (fault === undefined && !options.env.some((given) => given.value.name === name)) {
      log.warn({
        path,
        message: `'${name}' is empty, which passes the variable of the gateway's environment on, but it is not set there`,
        suggestion: `Set ${name} in the environment of the gateway, or remove the entry.`,
      });
    }
  }
}

function fromArguments(
  scope: Scope,
  own: Readonly<Record<string, string>>,
  options: ContainerOptions,
  env: Environment,
  log: Diagnostics,
  result: Map<string, string>,
): void {
  const field = named(scope, 'env');
  const earlier = new Map<string, string | undefined>();
  for (const given of options.env) {
    const { name, value } = given.value;
    const path = [...writtenPath(scope, ['args']), given.index];
    // A name that does not stand in the text came from the environment, perhaps by mistake, and is not shown.
    const origin = log.originOf(path);
    const label = origin === undefined || origin.written.includes(name) ? `'${name}'` : `named by '${origin.written}'`;
    if (earlier.has(name) && earlier.get(name) !== value) {
      log.error({ path, message: `the variable ${label} is given twice`, suggestion: 'Keep one of the two.' });
    }
    earlier.set(name, value);
    if (value !== undefined && Object.hasOwn(own, name) && own[name] !== value) {
      log.error({
        path,
        message: `the variable ${label} is given here and in '${field}'`,
        suggestion: 'Keep one of the two.',
      });
    }
    const known = value ?? (Object.hasOwn(own, name) ? result.get(name) : undefined) ?? valueIn(env, name);
    if (known !== undefined) result.set(name, known);
    else {
      log.error({
        path,
        message: `the variable ${label} has no value: it stands neither in '${field}' nor in the environment of the gateway`,
        suggestion: `Set it in the environment of the gateway, or give its value in '${field}'.`,
      });
    }
  }
}

function valueIn(env: Environment, name: string): string | undefined {
  return Object.hasOwn(env, name) ? env[name] : undefined;
}
