/** The command line: every command with its flags, examples and help, and what each of them leads to. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { configurationJsonSchema } from '../config/json-schema.ts';
import { addAudit, AUDIT_EXAMPLES } from './audit-commands.ts';
import { buildInformation } from './build-information.ts';
import { StoreError } from '../store/store.ts';
import { loadEnvFile } from './env-file.ts';
import { EXIT_CODES, EXIT_FAILURE, EXIT_OK } from './exit-codes.ts';
import type { Given } from './serve/flag-values.ts';
import { type Flag, isSwitch, longName, SERVE_FLAGS } from './serve/flags.ts';
import { writeDocument, writeText } from './stdout-document.ts';
import { addSecrets, STORE_EXAMPLES } from './store-commands.ts';
import { addToken, TOKEN_EXAMPLES } from './token-commands.ts';
import { UsageError } from './usage-error.ts';

/** Examples by command, as they appear in help and reference. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  serve: [
    'gatehouse serve --config config.toml',
    'gatehouse serve --config-stdin < config.json',
    'gatehouse serve --config config.toml --listen 0.0.0.0:8080 --log-dir /var/log/gatehouse',
    'gatehouse serve --config config.toml --env secrets.env --startup resilient -v',
  ],
  validate: [
    'gatehouse validate config.toml',
    'gatehouse validate --json config.json',
    'gatehouse validate - < config.json',
    'gatehouse validate --explain config.toml',
  ],
  pull: ['gatehouse pull config.toml', 'gatehouse pull --write config.toml', 'gatehouse pull --check config.toml'],
  schema: ['gatehouse schema > gatehouse.schema.json', 'gatehouse schema --dialect toml'],
  connect: [
    'gatehouse connect http://localhost:8080/mcp',
    'gatehouse connect https://gateway.example.com/mcp/github --header-from-env X-Tenant=TENANT_KEY',
  ],
  certs: [
    'gatehouse certs config.toml',
    'gatehouse certs --json config.toml',
    'gatehouse certs --url https://gateway.example.com:8443 --ca ca.crt',
  ],
  ...STORE_EXAMPLES,
  ...AUDIT_EXAMPLES,
  ...TOKEN_EXAMPLES,
  version: ['gatehouse version', 'gatehouse version --json'],
};

/** Runs one command line (without the paths of node and script). Resolves with the exit status; has printed what there is to say. */
export async function runCommandLine(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let status = EXIT_OK;
  const program = createProgram(env, (code) => {
    status = code;
  });
  if (args.length === 0) {
    // Whoever asks what this is gets an answer, not a gateway.
    await writeText(program.helpInformation());
    return EXIT_OK;
  }
  let command: string | undefined;
  program.hook('preAction', (_program, action) => {
    // What was mistyped has ended up with the default command, whose help is of no help.
    command = action.name() === 'serve' && action.args.length > 0 ? undefined : fullName(action);
  });
  try {
    await program.parseAsync(normalizeSwitches(args), { from: 'user' });
    return status;
  } catch (error) {
    // Commander has printed its own message; help and version end with status 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_FAILURE;
    // Whoever reads stdout has seen enough (`gatehouse schema | head`).
    if (error instanceof Error && 'code' in error && error.code === 'EPIPE') return EXIT_OK;
    if (error instanceof StoreError) {
      process.stderr.write(`error: ${error.message}\n`);
      return EXIT_FAILURE;
    }
    if (!(error instanceof UsageError)) throw error;
    for (const problem of error.problems) process.stderr.write(`error: ${problem}\n`);
    process.stderr.write(`See '${command === undefined ? 'gatehouse' : `gatehouse ${command}`} --help' for usage.\n`);
    return EXIT_FAILURE;
  }
}

/** The program with all its commands. `done` is told the exit status of the command that ran. */
export function createProgram(env: NodeJS.ProcessEnv, done: (status: number) => void): Command {
  const { version } = buildInformation();
  const program = new Command('gatehouse')
    .description('Many MCP servers behind one secured endpoint.')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .exitOverride()
    .configureHelp({ sortSubcommands: false })
    .addHelpText('after', () => `\nFlags without a command are those of serve.\n${exitCodeHelp()}`);
  addServe(program, env, done);
  addValidate(program, env, done);
  addPull(program, env, done);
  addSchema(program);
  addConnect(program, env, done);
  addCerts(program, env, done);
  addSecrets(program, env, done);
  addAudit(program, env, done);
  addToken(program, env, done);
  addVersion(program);
  for (const command of commandsOf(program)) {
    const { [fullName(command)]: examples = [] } = EXAMPLES;
    for (const option of command.options)
      if (Array.isArray(option.defaultValue)) option.default(option.defaultValue, 'none');
    command
      .helpOption('-h, --help', 'print help')
      .showHelpAfterError(`See 'gatehouse ${fullName(command)} --help' for usage.`)
      .addHelpText('after', `\nExamples:\n${examples.map((example) => `  ${example}`).join('\n')}\n${exitCodeHelp()}`);
  }
  return program;
}

/** Those that do something: of a group such as `audit` its members. */
export function commandsOf(program: Command): readonly Command[] {
  return program.commands.flatMap((command) => (command.commands.length > 0 ? command.commands : [command]));
}

/** Such as `serve` or `audit verify`. */
export function fullName(command: Command): string {
  const group = command.parent?.parent ? `${command.parent.name()} ` : '';
  return `${group}${command.name()}`;
}

function addServe(program: Command, env: NodeJS.ProcessEnv, done: (status: number) => void): void {
  const command = program
    .command('serve', { isDefault: true })
    .description('start the gateway and serve until it is told to stop')
    // What is not a flag can only be a mistyped command: that deserves a better message than commander's.
    .allowExcessArguments(true);
  for (const flag of SERVE_FLAGS as readonly Flag[]) command.addOption(serveOption(flag, env));
  command.action(async (given: Given) => {
    const [stray] = command.args;
    if (stray !== undefined) {
      const message = `unknown command or argument '${stray}'; the commands are serve, validate, pull, schema, connect, certs, secrets, audit, token and version`;
      throw new UsageError([message]);
    }
    const { serve } = await import('./serve.ts');
    done(await serve(given, env));
  });
}

function serveOption(flag: Flag, env: NodeJS.ProcessEnv): Option {
  const option = new Option(flag.flags, describe(flag)).helpGroup(flag.group);
  if (flag.key === 'verbose') option.argParser((_value: unknown, count: number | undefined) => (count ?? 0) + 1);
  // Read at once, before any other flag takes its value from the environment.
  if (flag.key === 'env') option.argParser((path: string) => readEnvFile(path, env));
  return option;
}

function readEnvFile(path: string, env: NodeJS.ProcessEnv): string {
  try {
    for (const warning of loadEnvFile(path, env)) process.stderr.write(`gatehouse: ${warning}\n`);
    return path;
  } catch (error) {
    throw new InvalidArgumentError(
      `failed to load .env file: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** The text of help and reference: what it does, its default, its variable. */
function describe(flag: Flag): string {
  const notes = [
    ...(flag.fallback === undefined ? [] : [`default: ${flag.fallback}`]),
    ...(flag.env === undefined ? [] : [`env: ${flag.env}`]),
  ];
  return notes.length === 0 ? flag.description : `${flag.description} (${notes.join('; ')})`;
}

function addValidate(program: Command, env: NodeJS.ProcessEnv, done: (status: number) => void): void {
  program
    .command('validate')
    .description('report everything that is wrong with a configuration; starts nothing')
    .argument('<file>', 'TOML file, or JSON when its name ends in .json; - reads JSON from stdin')
    .option('--json', 'print the findings as JSON')
    .option('--explain', 'also print what would be run for each container, what is closed or opened in it, and why')
    .addOption(
      new Option('--env <file>', 'set variables from a file of NAME=VALUE lines first').argParser((path: string) =>
        readEnvFile(path, env),
      ),
    )
    .action(async (file: string, options: { readonly json?: true; readonly explain?: true }) => {
      const { validate } = await import('./validate.ts');
      done(await validate(file, { json: options.json === true, explain: options.explain === true }, env));
    });
}

function addPull(program: Command, env: NodeJS.ProcessEnv, done: (status: number) => void): void {
  program
    .command('pull')
    .description('get the images of a configuration and tell their digests; nothing else ever pulls')
    .argument('[file]', 'TOML file, or JSON when its name ends in .json; - reads JSON from stdin')
    .option('--config <file>', 'the same as the argument')
    .addOption(
      new Option(
        '--check',
        'pull nothing; fail unless every image is here, with its digest where one is demanded',
      ).conflicts('write'),
    )
    .option('--write', 'write the digests into the file')
    .option('--json', 'print the images as JSON')
    .addOption(
      new Option('--env <file>', 'set variables from a file of NAME=VALUE lines first').argParser((path: string) =>
        readEnvFile(path, env),
      ),
    )
    .action(async (file: string | undefined, options: PullFlags) => {
      const from = file ?? options.config;
      if (from === undefined || (file !== undefined && options.config !== undefined))
        throw new UsageError(['name one configuration: gatehouse pull config.toml']);
      if (from === '-' && options.write === true) throw new UsageError(['--write needs a file to write to']);
      const { pull } = await import('./pull.ts');
      const { check = false, write = false, json = false } = options;
      done(await pull(from, { check, write, json }, env));
    });
}

interface PullFlags {
  readonly config?: string;
  readonly check?: true;
  readonly write?: true;
  readonly json?: true;
}

function addSchema(program: Command): void {
  program
    .command('schema')
    .description('print the JSON Schema of the configuration, for editors and checks of your own')
    .addOption(
      new Option('--dialect <dialect>', 'spelling of the configuration').choices(['json', 'toml']).default('json'),
    )
    .action(async ({ dialect }: { readonly dialect: 'json' | 'toml' }) => {
      await writeDocument(configurationJsonSchema(dialect));
    });
}

function addConnect(program: Command, env: NodeJS.ProcessEnv, done: (status: number) => void): void {
  program
    .command('connect')
    .description('be an MCP server on stdio that forwards to a gateway, for clients that speak only stdio')
    .argument('<url>', 'endpoint of the gateway, such as http://localhost:8080/mcp')
    .option(
      '--header-from-env <Name=VARIABLE>',
      'send this header with the value of a variable; may be repeated (MCP_GATEWAY_AGENT_ID is sent as Authorization)',
      (pair: string, given: readonly string[]) => [...given, pair],
      [] as readonly string[],
    )
    .action(async (url: string, { headerFromEnv }: { readonly headerFromEnv: readonly string[] }) => {
      const { connect } = await import('./connect.ts');
      done(await connect(url, { headerFromEnv }, env));
    });
}

function addCerts(program: Command, env: NodeJS.ProcessEnv, done: (status: number) => void): void {
  program
    .command('certs')
    .description('list certificates, authorities and revocation lists: what they are, when they end, who uses them')
    .argument('[file]', 'TOML file, or JSON when its name ends in .json; - reads JSON from stdin')
    .option('--config <file>', 'the same as the argument')
    .option('--url <url>', 'ask a gateway that runs, with the credentials in MCP_GATEWAY_AGENT_ID')
    .option('--ca <file>', 'with --url: trust this authority, PEM, beside those of the system')
    .option('--json', 'print them as JSON')
    .addOption(
      new Option('--env <file>', 'set variables from a file of NAME=VALUE lines first').argParser((path: string) =>
        readEnvFile(path, env),
      ),
    )
    .action(async (argument: string | undefined, { config, url, ca, json }: CertsFlags) => {
      const given = [argument, config, url].filter((each) => each !== undefined);
      if (given.length !== 1)
        throw new UsageError(['name one configuration or one gateway: gatehouse certs config.toml']);
      const file = argument ?? config;
      const { certs } = await import('./certs.ts');
      const source =
        file === undefined ? { kind: 'gateway' as const, url: url ?? '', ca } : { kind: 'file' as const, file };
      done(await certs(source, json === true, env));
    });
}

interface CertsFlags {
  readonly config?: string;
  readonly url?: string;
  readonly ca?: string;
  readonly json?: true;
}

function addVersion(program: Command): void {
  program
    .command('version')
    .description('print the version and the specification that it follows')
    .option('--json', 'print it as JSON')
    .action(async ({ json }: { readonly json?: true }) => {
      const information = buildInformation();
      if (json === true) {
        await writeDocument(information);
        return;
      }
      const { name, version, specVersion, commit, node } = information;
      const build = commit === undefined ? version : `${version} (${commit.slice(0, 12)})`;
      await writeText(`${name} ${build}, MCP Gateway Specification ${specVersion}, Node ${node}\n`);
    });
}

function exitCodeHelp(): string {
  return `\nExit status:\n${EXIT_CODES.map(({ code, meaning }) => `  ${code}  ${meaning}`).join('\n')}\n`;
}

/** Switches may be written `--routed=true` or `--routed=false`, as callers of gh-aw-mcpg are used to. */
function normalizeSwitches(args: readonly string[]): string[] {
  const switches = (SERVE_FLAGS as readonly Flag[])
    .filter((flag) => isSwitch(flag) && flag.key !== 'verbose')
    .map(longName);
  return args.flatMap((arg) => {
    const [name = '', value] = arg.split('=', 2);
    if (value === undefined || !switches.includes(name)) return [arg];
    if (/^(?:1|t|true)$/i.test(value)) return [name];
    if (/^(?:0|f|false)$/i.test(value)) return [];
    throw new UsageError([`invalid ${name}: '${value.slice(0, 40)}' is neither true nor false`]);
  });
}
