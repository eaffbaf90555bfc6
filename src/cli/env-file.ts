/** The file of `--env`: more environment variables, read before any flag takes its default from the environment. */
import { readFileSync } from 'node:fs';

type Environment = Record<string, string | undefined>;

/**
 * Sets the variables of the file in `env`, over what is there. Lines are `NAME=VALUE`; `#` begins a comment line, lines without `=`
 * are skipped, `$NAME` and `${NAME}` are replaced (nothing when undefined), and quotes belong to the value.
 * Returns what the author probably did not mean, a sentence each and never with a value. Throws what the file system says.
 */
export function loadEnvFile(path: string, env: Environment): readonly string[] {
  const warnings: string[] = [];
  for (const [index, raw] of readFileSync(path, 'utf8').split('\n').entries()) {
    const line = raw.trim();
    const equals = line.indexOf('=');
    if (line === '' || line.startsWith('#') || equals === -1) continue;
    const name = line.slice(0, equals).trim();
    const value = line.slice(equals + 1).trim();
    const place = `${path}:${index + 1}`;
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      warnings.push(`${place}: '${name.slice(0, 40)}' is not the name of a variable; the line is skipped`);
      continue;
    }
    if (/^(["']).*\1$/.test(value))
      warnings.push(`${place}: the quotes around the value of ${name} are part of the value`);
    env[name] = value.replaceAll(
      /\$(?:\{(\w+)\}|(\w+))/g,
      (_, braced?: string, bare?: string) => env[braced ?? bare ?? ''] ?? '',
    );
  }
  return warnings;
}
