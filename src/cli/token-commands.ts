/** `gatehouse token create` and `gatehouse token revoke`: credentials for the gateway, made where its store or a signing key is. */
import type { Command } from 'commander';
import { parseAddressRange } from '../auth/token-limits.ts';
import { isPermission } from '../auth/permissions.ts';
import { mintToken, revokeToken } from '../auth/mint-token.ts';
import { parseDuration } from '../config/values/duration.ts';
import { openStore } from '../store/open-store.ts';
import { EXIT_OK } from './exit-codes.ts';
import { writeText } from './stdout-document.ts';
import { operator, withStoreOptions, type StoreOptions } from './store-commands.ts';
import { storeOfCommand } from './store-location.ts';
import { UsageError } from './usage-error.ts';

export const TOKEN_EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  'token create': [
    'gatehouse token create --user ann@example.com --role operator',
    'gatehouse token create --user ci@example.com --role developer --permission tools.call --expires 30d --address 10.0.0.0/8',
    'gatehouse token create --user ann@example.com --jwt-key-file signing-key.pem --issuer build --audience https://gateway.example.com',
  ],
  'token revoke': ['gatehouse token revoke 0199f0a0c0ffee0123456789abcdef01 --data-dir /var/lib/gatehouse'],
};

interface CreateOptions extends StoreOptions {
  readonly user: string;
  readonly role: readonly string[];
  readonly name: string;
  readonly expires: string;
  readonly permission: readonly string[];
  readonly virtualServer: readonly string[];
  readonly team: readonly string[];
  readonly address: readonly string[];
  readonly jwtKeyFile?: string;
  readonly issuer?: string;
  readonly audience?: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const EMAIL = /^[^\s@]+@[^\s@]+$/;

export function addToken(program: Command, env: NodeJS.ProcessEnv, done: (status: number) => void): void {
  const token = program.command('token').description('credentials for the gateway');
  withStoreOptions(token.command('create'))
    .description('make an API token in the store, or sign a JWT with a key; it is printed once')
    .requiredOption('--user <email>', 'whose token it is; a user that the store does not know is made')
    .option('--role <name>', 'also give the user this role, such as viewer, developer, operator or admin', collect, [])
    .option('--name <text>', 'what the token is for', 'made on the command line')
    .option('--expires <duration>', 'such as 90d, 12h or never', '90d')
    .option('--permission <name>', 'narrow it to this permission; may be repeated', collect, [])
    .option('--virtual-server <id>', 'narrow it to this virtual server; may be repeated', collect, [])
    .option('--team <id>', 'narrow it to this team; may be repeated', collect, [])
    .option('--address <range>', 'narrow it to callers from this address or range; may be repeated', collect, [])
    .option('--jwt-key-file <file>', 'sign a JWT with this key instead (PEM, or a text for HS256); needs no store')
    .option('--issuer <text>', '`iss` of the JWT, as the configuration of the gateway names it')
    .option('--audience <text>', '`aud` of the JWT: the URL of the gateway, or of one of its endpoints')
    .action(async (options: CreateOptions) => {
      const wish = readWish(options);
      if (options.jwtKeyFile === undefined) await createApiToken(options, wish, env);
      else await createJwt(options, options.jwtKeyFile, wish);
      done(EXIT_OK);
    });
  withStoreOptions(token.command('revoke'))
    .description('end a token: it opens nothing any more, and what was opened with it is closed')
    .argument('<id>', 'id of an API token, or the `jti` of a JWT')
    .action(async (id: string, options: StoreOptions) => {
      await using store = await openStore(storeOfCommand(options, env), { mustExist: true });
      const kind = await revokeToken(store, id, operator());
      await writeText(
        kind === 'api-token'
          ? `API token ${id} is revoked.\n`
          : `No API token has this id. JWTs with the jti ${id} are revoked.\n`,
      );
      done(EXIT_OK);
    });
}

function collect(value: string, given: readonly string[]): readonly string[] {
  return [...given, value];
}

interface Wish {
  readonly user: string;
  readonly permissions: readonly string[] | undefined;
  readonly virtualServers: readonly string[] | undefined;
  readonly teams: readonly string[] | undefined;
  readonly addresses: readonly string[] | undefined;
  /** ms since the epoch. */
  readonly expiresAt: number | undefined;
}

function readWish(options: CreateOptions): Wish {
  const problems: string[] = [];
  const user = options.user.toLowerCase();
  if (!EMAIL.test(user)) problems.push('--user must be an email address');
  for (const name of options.permission)
    if (!isPermission(name)) problems.push(`--permission: there is no permission '${name}'`);
  for (const range of options.address)
    if (parseAddressRange(range) === undefined) problems.push(`--address: '${range}' is no address or range`);
  const lifetime = lifetimeOf(options.expires);
  if (Number.isNaN(lifetime)) problems.push(`--expires must be a duration such as 90d or 12h, or never`);
  if (options.jwtKeyFile === undefined) {
    for (const flag of ['issuer', 'audience'] as const)
      if (options[flag] !== undefined) problems.push(`--${flag} has a meaning only with --jwt-key-file`);
  } else {
    if (options.issuer === undefined || options.audience === undefined)
      problems.push('a JWT needs --issuer and --audience');
    if (options.address.length > 0) problems.push('a JWT cannot be narrowed to addresses');
    if (lifetime === Infinity) problems.push('a JWT must expire');
  }
  if (problems.length > 0) throw new UsageError(problems);
  const list = (values: readonly string[]): readonly string[] | undefined => (values.length === 0 ? undefined : values);
  return {
    user,
    permissions: list(options.permission),
    virtualServers: list(options.virtualServer),
    teams: list(options.team),
    addresses: list(options.address),
    expiresAt: lifetime === Infinity ? undefined : Date.now() + lifetime,
  };
}

/** In ms; NaN for what is none. */
function lifetimeOf(text: string): number {
  if (text === 'never') return Infinity;
  const [, days] = /^(\d{1,5})d$/.exec(text) ?? [];
  const lifetime = days === undefined ? (parseDuration(text) ?? Number.NaN) : Number(days) * DAY_MS;
  return lifetime > 0 ? lifetime : Number.NaN;
}

async function createApiToken(options: CreateOptions, wish: Wish, env: NodeJS.ProcessEnv): Promise<void> {
  const location = storeOfCommand(options, env);
  await using store = await openStore(location);
  if ('dataDir' in location && (await store.users()).length === 0)
    process.stderr.write(`The store in ${location.dataDir} has no users yet: this makes the first one.\n`);
  const { name, role } = options;
  const { text, record } = await mintToken(store, { ...wish, name, roles: role, hours: undefined }, operator());
  // Beside the token and not with it: what reads stdout wants nothing else.
  process.stderr.write(`API token ${record.id} of ${record.user}${until(wish)}. It is shown only now:\n`);
  await writeText(`${text}\n`);
}

async function createJwt(options: CreateOptions, keyFile: string, wish: Wish): Promise<void> {
  const { issuer = '', audience = '', role } = options;
  const { mintJwt } = await import('../auth/mint-jwt.ts');
  const { text, id } = await mintJwt({ ...wish, keyFile, issuer, audience, roles: role }).catch((error: unknown) => {
    throw new UsageError([`--jwt-key-file: ${error instanceof Error ? error.message : String(error)}`]);
  });
  process.stderr.write(`JWT ${id} of ${wish.user}${until(wish)}:\n`);
  await writeText(`${text}\n`);
}

function until({ expiresAt }: Wish): string {
  return expiresAt === undefined ? ', without an end' : `, until ${new Date(expiresAt).toISOString()}`;
}
