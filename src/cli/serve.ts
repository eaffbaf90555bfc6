/** `gatehouse serve`: reads flags, environment and configuration, starts the gateway, and stays until it has ended. */
import { randomBytes } from 'node:crypto';
import type { Config, Diagnostic } from '../config/config.ts';
import type { ConfigSource, GatewayOverrides, LoadResult } from '../config/load.ts';
import { errorPayload, formatDiagnostics, formatWarning } from '../config/report.ts';
import { startGateway, StartInterrupted, type Gateway } from '../gateway.ts';
import type { ReloadSource } from '../runtime/reload.ts';
import { StartupFailure } from '../runtime/start-servers.ts';
import type { Store } from '../store/store.ts';
import { FIRST_ADMIN, mintFirstAdminToken } from '../auth/mint-token.ts';
import { openStore, type StoreLocation } from '../store/open-store.ts';
import { countAllMemoryTogether } from '../shared/collector.ts';
import { SetupError } from '../shared/setup-error.ts';
import { letOldMemoryDouble } from '../shared/old-memory.ts';
import { letYoungMemoryGrow, YoungMemory } from '../shared/young-memory.ts';
import { StoreError } from '../store/store.ts';
import { configSecrets, environmentSecrets } from '../telemetry/config-secrets.ts';
import { MaterialErrors } from '../tls/material-error.ts';
import { createTelemetry, type Telemetry } from '../telemetry/log.ts';
import { schemaFetcher } from '../upstream/http/schema-fetcher.ts';
import { buildInformation } from './build-information.ts';
import { EXIT_FAILURE, EXIT_OK } from './exit-codes.ts';
import { onHangup } from './hangup.ts';
import { nameServingProcess } from './process-title.ts';
import { readConfigurationFile, readConfigurationStream, UnreadableConfiguration } from './read-configuration.ts';
import { type Given, readServeOptions, type ServeOptions } from './serve/flag-values.ts';
import { createDefaultSource, createLoader, createReloadSource, NO_CONFIGURATION } from './serve/reload-source.ts';
import { startupFailurePayload } from './serve/startup-failure.ts';
import { StopSignals } from './serve/stop-signals.ts';
import { validateEnvironment } from './serve/validate-environment.ts';
import { writeDocument } from './stdout-document.ts';
import { UsageError } from './usage-error.ts';

const PORT_WITHOUT_CONFIGURATION = 8080;

/** Runs until the gateway has ended; resolves with the exit status. Throws a UsageError before anything is started. */
export async function serve(given: Given, env: NodeJS.ProcessEnv): Promise<number> {
  const options = readServeOptions(given, env);
  nameServingProcess(process.argv.slice(2));
  countAllMemoryTogether();
  await using telemetry = openLog(options);
  telemetry.addSecrets(environmentSecrets(env));
  using signals = new StopSignals(telemetry.log);
  using _faults = reportFaults(telemetry);
  try {
    return await run(options, env, telemetry, signals);
  } catch (error) {
    // These say themselves what to do; anything else is a fault.
    const plain = error instanceof StoreError || error instanceof SetupError || error instanceof MaterialErrors;
    const details = plain ? {} : { err: error };
    telemetry.log.fatal(details, error instanceof Error ? error.message : 'the gateway cannot go on');
    return EXIT_FAILURE;
  }
}

function openLog({ logLevel, logDir, logFormat }: ServeOptions): Telemetry {
  try {
    return createTelemetry({
      level: logLevel,
      ...(logDir === undefined ? {} : { directory: logDir }),
      ...(logFormat === undefined ? {} : { pretty: logFormat === 'pretty' }),
    });
  } catch (error) {
    throw new UsageError([
      `--log-dir: the directory cannot be written: ${error instanceof Error ? error.message : String(error)}`,
    ]);
  }
}

async function run(
  options: ServeOptions,
  env: NodeJS.ProcessEnv,
  telemetry: Telemetry,
  signals: StopSignals,
): Promise<number> {
  const { log } = telemetry;
  const { version } = buildInformation();
  const overrides = overridesOf(options);
  const hasStore = options.store !== undefined;
  const load = createLoader(
    { env, overrides, hasStore, fetchSchema: schemaFetcher() },
    randomBytes(32).toString('hex'),
  );
  const config = await readConfig(options, load, telemetry, signals.first);
  if (signals.first.aborted) return EXIT_OK;
  if (config === undefined) return EXIT_FAILURE;
  telemetry.addSecrets(configSecrets(config));
  log.info(`Loaded ${config.servers.length} MCP server(s)`);
  if (options.validateEnv && !(await environmentIsFit(options, config, env, telemetry))) return EXIT_FAILURE;
  if (signals.first.aborted) return EXIT_OK;

  const { dataDir } = config.gateway;
  const location = options.store ?? (dataDir === undefined ? undefined : { dataDir, key: options.storeKey });
  const store = location && (await openStore(location));
  let gateway: Gateway;
  try {
    const { source: from } = options;
    gateway = await startGateway({
      config,
      store,
      telemetry,
      version,
      announce: (document) => announce(document, telemetry),
      source: reloadSource(from, load, telemetry),
      watch: options.watch,
      fastPath: options.fastPath,
      workers: { processes: options.workers, storeLocation: location, logDirectory: options.logDir },
      signal: signals.first,
    });
  } catch (error) {
    if (error instanceof StartInterrupted) return EXIT_OK;
    if (!(error instanceof StartupFailure)) throw error;
    for (const { name, ...failure } of error.servers) {
      telemetry.serverLog(name).error(failure, 'the server did not start');
    }
    await writeDocument(startupFailurePayload(error));
    log.fatal(`${error.message}. Set startup to "resilient" to serve the others meanwhile.`);
    return EXIT_FAILURE;
  }
  letYoungMemoryGrow();
  letOldMemoryDouble();
  using _young = new YoungMemory();
  tellWhereItServes(gateway, config, version, telemetry);
  if (store !== undefined) await showFirstToken(store, location, telemetry);
  using _hangup = onHangup(() => void gateway.reload('SIGHUP'));
  signals.onStop(
    () => gateway.stop({ timeoutMs: gateway.config.gateway.shutdownTimeoutMs }),
    () => gateway.abort(),
  );
  const { drained } = await gateway.closed;
  return drained && !signals.aborted ? EXIT_OK : EXIT_FAILURE;
}

/** Into a store that nobody has a key to yet, the operator is let in once. Past the log, which others read. */
async function showFirstToken(store: Store, location: StoreLocation | undefined, { log }: Telemetry): Promise<void> {
  if (store.engine !== 'sqlite') {
    if ((await store.users()).length === 0)
      log.warn('the store has no users yet: make a token with gatehouse token create --user EMAIL --role admin');
    return;
  }
  const minted = await mintFirstAdminToken(store);
  if (minted === undefined) return;
  const where = location !== undefined && 'dataDir' in location ? ` --data-dir ${location.dataDir}` : '';
  process.stderr.write(
    `\nThis is the first start with this store. Token of its administrator, shown only now:\n\n  ${minted.text}\n\nLost it? Make another with: gatehouse token create${where} --user ${FIRST_ADMIN} --role admin\n\n`,
  );
}

/** The validated configuration; undefined when there is none and everything wrong has been said. */
async function readConfig(
  options: ServeOptions,
  load: (source: ConfigSource) => Promise<LoadResult>,
  { log }: Telemetry,
  stopped: AbortSignal,
): Promise<Config | undefined> {
  const { source: from } = options;
  if (from.from === 'defaults') return loaded(await load(NO_CONFIGURATION), NO_CONFIGURATION.name, log);
  log.info(`Reading configuration from ${from.from === 'stdin' ? 'stdin' : from.path}...`);
  if (from.from === 'stdin' && process.stdin.isTTY) {
    log.warn('stdin is a terminal: type the JSON configuration and end it with Ctrl-D, or use --config FILE');
  }
  let source: ConfigSource;
  try {
    source = await (from.from === 'stdin'
      ? readConfigurationStream(process.stdin, stopped)
      : readConfigurationFile(from.path));
  } catch (error) {
    if (stopped.aborted) return undefined;
    if (!(error instanceof UnreadableConfiguration)) throw error;
    log.fatal(error.message);
    await reportErrors([error.diagnostic], error.source);
    return undefined;
  }
  return loaded(await load(source), source.name, log);
}

async function loaded(result: LoadResult, name: string, log: Telemetry['log']): Promise<Config | undefined> {
  for (const warning of result.warnings) log.warn(formatWarning(warning, name));
  if (result.ok) return result.config;
  log.fatal({ errors: result.errors.length }, 'the configuration is invalid; nothing was started');
  await reportErrors(result.errors, name);
  return undefined;
}

/** Text for people on stderr, the payload for programs on stdout. */
async function reportErrors(errors: readonly Diagnostic[], source: string): Promise<void> {
  process.stderr.write(formatDiagnostics(errors, source));
  await writeDocument(errorPayload(errors, source));
}

function reloadSource(
  from: ServeOptions['source'],
  load: ReturnType<typeof createLoader>,
  telemetry: Telemetry,
): ReloadSource | undefined {
  if (from.from === 'defaults') return createDefaultSource(load);
  return from.from === 'file' ? createReloadSource(from.path, load, telemetry) : undefined;
}

function overridesOf(options: ServeOptions): GatewayOverrides {
  return {
    host: options.listen?.host,
    port: options.listen?.port ?? (options.source.from === 'defaults' ? PORT_WITHOUT_CONFIGURATION : undefined),
    dataDir: options.store !== undefined && 'dataDir' in options.store ? options.store.dataDir : undefined,
    tls: options.tls,
    hmacSecret: options.hmacSecret,
    mode: options.mode,
    startup: options.startup,
    sequentialLaunch: options.sequentialLaunch ? true : undefined,
    shutdownTimeoutMs: options.shutdownTimeoutMs,
    payloadDir: options.payloadDir,
    payloadPathPrefix: options.payloadPathPrefix,
    payloadSizeThreshold: options.payloadSizeThreshold,
    auditKeepDays: options.auditKeepDays,
    auditKeepLines: options.auditKeepLines,
  };
}

async function environmentIsFit(
  options: ServeOptions,
  config: Config,
  env: NodeJS.ProcessEnv,
  { log }: Telemetry,
): Promise<boolean> {
  const findings = await validateEnvironment({
    env,
    runtime: config.gateway.containerRuntime,
    fromStdin: options.source.from === 'stdin',
    logDir: options.logDir,
  });
  for (const warning of findings.warnings) log.warn(warning);
  if (findings.errors.length === 0) return true;
  process.stderr.write(
    `environment validation failed: Environment validation failed:\n  - ${findings.errors.join('\n  - ')}\n`,
  );
  return false;
}

/** Clients wait for this document; a closed stdout only means that nobody does. */
async function announce(document: unknown, { log }: Telemetry): Promise<void> {
  try {
    await writeDocument(document);
  } catch (error) {
    log.warn({ err: error }, 'the configuration for clients could not be written to stdout');
  }
}

function tellWhereItServes(
  gateway: Gateway,
  { gateway: { mode }, servers }: Config,
  version: string,
  { log }: Telemetry,
): void {
  const { address, port, family } = gateway.address;
  const listening = `${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  const names = servers.map(({ name }) => name);
  // Who waits for gh-aw-mcpg looks for the beginning of this line.
  log.info(
    { url: gateway.url, version, mode },
    `Starting MCPG in ${mode === 'unified' ? 'UNIFIED' : 'ROUTED'} mode on ${listening}`,
  );
  if (mode !== 'routed') log.info('Endpoint: /mcp');
  if (mode !== 'unified') log.info(`Routes: /mcp/<server> where <server> is one of: [${names.join(' ')}]`);
}

/** A fault that nobody caught: say it, write it out, and end; what started us can start us again in a known state. */
function reportFaults(telemetry: Telemetry): Disposable {
  const onFault = (error: unknown): void => {
    telemetry.log.fatal({ err: error }, 'a fault that was not caught; the gateway ends');
    telemetry.flushSync();
    process.exit(EXIT_FAILURE);
  };
  process.on('uncaughtException', onFault);
  process.on('unhandledRejection', onFault);
  return {
    [Symbol.dispose]() {
      process.off('uncaughtException', onFault);
      process.off('unhandledRejection', onFault);
    },
  };
}
