/** `gatehouse pull`: gets the images of a configuration, tells their digests, and writes them into the file when asked. */
import { randomBytes } from 'node:crypto';
import { rename, stat, writeFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/config.ts';
import { type ConfigSource, loadConfig } from '../config/load.ts';
import { formatDiagnostics } from '../config/report.ts';
import { parseImageReference } from '../config/values/image-reference.ts';
import { GatewayError } from '../shared/errors.ts';
import { callEngine, type Engine, findEngine, showEngine } from '../upstream/container/engine-command.ts';
import { pingEngine, repositoryDigests } from '../upstream/container/engine.ts';
import { EXIT_FAILURE, EXIT_OK } from './exit-codes.ts';
import { readConfigurationFile, readConfigurationStream, UnreadableConfiguration } from './read-configuration.ts';
import { writeDocument, writeText } from './stdout-document.ts';
import { schemaFetcher } from '../upstream/http/schema-fetcher.ts';

export interface PullOptions {
  /** Pulls nothing: fails unless every image is here and is the one that its digest says. */
  readonly check: boolean;
  /** Writes the digests into the file. */
  readonly write: boolean;
  readonly json: boolean;
}

/** The image itself is here already: only its registry is asked. */
const CONFIRM_MS = 60_000;

interface Image {
  /** As it stands in the configuration. */
  readonly reference: string;
  readonly servers: readonly string[];
}

interface Outcome extends Image {
  readonly state: 'pinned' | 'pinnable' | 'local' | 'missing';
  /** The reference with its digest; undefined when there is none to give. */
  readonly pinned: string | undefined;
  /** Why it is not there; undefined when it is. */
  readonly problem: string | undefined;
}

/** `file` is a path, or `-` for JSON on stdin. Resolves with the exit status. */
export async function pull(file: string, options: PullOptions, env: NodeJS.ProcessEnv): Promise<number> {
  let source: ConfigSource;
  try {
    source = await (file === '-' ? readConfigurationStream(process.stdin) : readConfigurationFile(file));
  } catch (error) {
    if (!(error instanceof UnreadableConfiguration)) throw error;
    return fail(formatDiagnostics([error.diagnostic], error.source));
  }
  // What it is pulled for may be that the configuration demands digests.
  const result = await loadConfig({ source, env, allowUnpinned: !options.check, fetchSchema: schemaFetcher() });
  if (!result.ok) return fail(formatDiagnostics([...result.errors, ...result.warnings], source.name));
  const images = imagesOf(result.config);
  if (images.length === 0) return fail(`${source.name}: no server runs in a container\n`, EXIT_OK);
  const outcomes: Outcome[] = [];
  try {
    const engine = findEngine(result.config.gateway.containerRuntime, env);
    await pingEngine(engine);
    for (const image of images) outcomes.push(await get(engine, image, options.check));
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return fail(`error: ${error.message}\n`);
  }
  if (options.json) await writeDocument({ images: outcomes });
  else await writeText(report(outcomes));
  const isWritten = !options.write || (await writePins(source, result.config, outcomes, env));
  return isWritten && outcomes.every(({ state }) => state !== 'missing') ? EXIT_OK : EXIT_FAILURE;
}

function imagesOf({ servers }: Config): readonly Image[] {
  const found = new Map<string, string[]>();
  for (const server of servers) {
    if (server.kind !== 'container') continue;
    const { image } = server.container;
    found.set(image, [...(found.get(image) ?? []), server.name]);
  }
  return [...found].map(([reference, names]) => ({ reference, servers: names }));
}

async function get(engine: Engine, image: Image, isCheck: boolean): Promise<Outcome> {
  const { reference } = image;
  let problem: string | undefined;
  if (!isCheck) {
    process.stderr.write(`${engine.kind} pull ${reference}\n`);
    const status = await showEngine(engine, ['pull', '--', reference]);
    if (status !== 0) problem = `${engine.kind} could not pull it`;
  }
  const digests = await repositoryDigests(engine, reference);
  if (digests === undefined)
    return { ...image, state: 'missing', pinned: undefined, problem: problem ?? 'it is not on this machine' };
  const parts = parseImageReference(reference);
  if (parts?.digest !== undefined) return { ...image, state: 'pinned', pinned: reference, problem: undefined };
  const known = digests.filter((one) => sameRepository(one, parts?.name ?? ''));
  const here = (why: string): Outcome => ({ ...image, state: 'local', pinned: undefined, problem: why });
  if (problem !== undefined) return here(problem);
  const [first, ...others] = known;
  if (first === undefined) return here('it was made here and has no digest of a registry');
  if (others.length > 0 && isCheck)
    return here('it has several digests here, and only `gatehouse pull` finds out which of them the registry has');
  const found = others.length === 0 ? first : await oneOfRegistry(engine, known);
  if (found === undefined) return here('its registry has none of the digests that it has here');
  return { ...image, state: 'pinnable', pinned: `${reference}@${found.split('@')[1] ?? ''}`, problem: undefined };
}

/**
 * The first digest that the registry has. An image that was also built or loaded here has digests of its own, which
 * the engine lists among those of the registry in no telling order; pinned to one of them it could be had nowhere else.
 */
async function oneOfRegistry(engine: Engine, digests: readonly string[]): Promise<string | undefined> {
  for (const digest of digests) {
    const { status } = await callEngine(engine, ['pull', '--quiet', '--', digest], CONFIRM_MS);
    if (status === 0) return digest;
  }
  return undefined;
}

/** The engines write names in full: `docker.io/library/x` for `x`. */
function sameRepository(digest: string, name: string): boolean {
  const bare = (text: string): string =>
    text.replace(/^(?:docker\.io|index\.docker\.io)\//, '').replace(/^library\//, '');
  return bare(digest.split('@')[0] ?? '') === bare(name);
}

function report(outcomes: readonly Outcome[]): string {
  return `${outcomes
    .map(({ reference, servers, state, pinned, problem }) => {
      const who = `# ${servers.join(', ')}`;
      if (state === 'missing') return `${who}\n# ${reference}: ${problem ?? ''}`;
      if (state === 'local') return `${who}\n# ${reference}: here, but cannot be pinned: ${problem ?? ''}`;
      return `${who}\n${pinned ?? ''}`;
    })
    .join('\n')}\n`;
}

/** Replaces each image where it stands as a whole string, and keeps the result only when it says the same in everything else. */
async function writePins(
  source: ConfigSource,
  config: Config,
  outcomes: readonly Outcome[],
  env: NodeJS.ProcessEnv,
): Promise<boolean> {
  const pins = new Map(
    outcomes.flatMap(({ reference, state, pinned }) =>
      state === 'pinnable' && pinned !== undefined ? [[reference, pinned] as const] : [],
    ),
  );
  if (pins.size === 0) return true;
  let { text } = source;
  for (const [reference, pinned] of pins)
    for (const mark of ['"', "'"]) text = text.replaceAll(`${mark}${reference}${mark}`, `${mark}${pinned}${mark}`);
  const again = await loadConfig({ source: { ...source, text }, env, fetchSchema: schemaFetcher() });
  const wanted = {
    ...config,
    servers: config.servers.map((server) =>
      server.kind === 'container'
        ? {
            ...server,
            container: { ...server.container, image: pins.get(server.container.image) ?? server.container.image },
          }
        : server,
    ),
  };
  const agentIds = again.ok ? again.config.gateway.agentIds : [];
  // A TOML configuration without an agent id gets a random one at each reading.
  if (!again.ok || !isDeepStrictEqual(again.config, { ...wanted, gateway: { ...wanted.gateway, agentIds } })) {
    process.stderr.write(
      'error: the digests cannot be written into the file without changing what else it says; paste the lines above\n',
    );
    return false;
  }
  const beside = `${source.name}.${randomBytes(4).toString('hex')}.tmp`;
  await writeFile(beside, text, { mode: (await stat(source.name)).mode });
  await rename(beside, source.name);
  process.stderr.write(`${source.name}: pinned ${pins.size === 1 ? '1 image' : `${pins.size} images`}\n`);
  return true;
}

function fail(text: string, status = EXIT_FAILURE): number {
  process.stderr.write(text);
  return status;
}
