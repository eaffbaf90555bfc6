/** Names of variables that a container may be given. */

/** Stricter than the engines: podman reads `NAME*` as a pattern for its own variables. */
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

export interface EnvNameFault {
  readonly message: string;
  readonly suggestion: string;
}

/** Why a container may not be given a variable of this name; undefined when it may. `label` is how the name may be quoted. */
export function envNameFault(name: string, label = `'${printable(name)}'`): EnvNameFault | undefined {
  if (NAME.test(name)) return undefined;
  return {
    message: `${label} cannot be the name of an environment variable`,
    suggestion: 'Use letters, digits, dots, hyphens and underscores, starting with a letter or underscore.',
  };
}

function printable(name: string): string {
  return name.slice(0, 80).replaceAll(/[^\x20-\x7e]/g, '?');
}
