/** `gatehouse validate`: everything that is wrong with a configuration, without starting anything. */
import type { Diagnostic } from '../config/config.ts';
import { type ConfigSource, loadConfig, type LoadResult } from '../config/load.ts';
import { errorPayload, formatDiagnostics } from '../config/report.ts';
import { EXIT_FAILURE, EXIT_OK } from './exit-codes.ts';
import { explain, formatExplanations } from './explain.ts';
import { readConfigurationFile, readConfigurationStream, UnreadableConfiguration } from './read-configuration.ts';
import { writeDocument, writeText } from './stdout-document.ts';

export interface ValidateOptions {
  /** The payload for programs instead of text. */
  readonly json: boolean;
  /** Also tells what would be run for each container server, and why. */
  readonly explain: boolean;
}

/** `file` is a path, or `-` for JSON on stdin. Resolves with the exit status. */
export async function validate(
  file: string,
  { json, explain: explains }: ValidateOptions,
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const { name, result } = await check(file, env);
  const errors = result.ok ? [] : result.errors;
  if (json)
    await writeDocument(
      result.ok
        ? {
            valid: true,
            warnings: result.warnings.map(forPrograms),
            ...(explains ? { containers: explain(result.config, env) } : {}),
          }
        : withWarnings(result, name),
    );
  else {
    await writeText(formatDiagnostics([...errors, ...result.warnings], name));
    if (result.ok && explains) await writeText(`${formatExplanations(explain(result.config, env))}\n`);
    if (result.ok) await writeText(`${name}: valid, ${summary(result)}\n`);
  }
  return errors.length === 0 ? EXIT_OK : EXIT_FAILURE;
}

async function check(
  file: string,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly name: string; readonly result: LoadResult }> {
  let source: ConfigSource;
  try {
    source = await (file === '-' ? readConfigurationStream(process.stdin) : readConfigurationFile(file));
  } catch (error) {
    if (!(error instanceof UnreadableConfiguration)) throw error;
    return { name: error.source, result: { ok: false, errors: [error.diagnostic], warnings: [] } };
  }
  return { name: source.name, result: await loadConfig({ source, env }) };
}

function withWarnings({ errors, warnings }: LoadResult & { readonly ok: false }, name: string): object {
  return { valid: false, ...errorPayload(errors, name), warnings: warnings.map(forPrograms) };
}

function forPrograms({ path, line, column, message, suggestion }: Diagnostic): object {
  return { path, line, column, message, suggestion };
}

function summary({ config }: LoadResult & { readonly ok: true }): string {
  const { gateway, servers } = config;
  const containers = servers.filter(({ kind }) => kind === 'container').length;
  const total = servers.length === 1 ? '1 server' : `${servers.length} servers`;
  const kinds = `${containers} in containers, ${servers.length - containers} over HTTP`;
  const mode = gateway.mode === 'both' ? 'both modes' : `${gateway.mode} mode`;
  return `${total} (${kinds}), ${mode}, port ${gateway.port}`;
}
