/** The commands that work on a store itself: `secrets rekey`, and what they have in common with those of the audit log. */
import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { rekey } from '../store/secrets/rekey.ts';
import type { Actor } from '../store/store.ts';
import { EXIT_OK } from './exit-codes.ts';
import { writeText } from './stdout-document.ts';
import { storeOfCommand } from './store-location.ts';
import { UsageError } from './usage-error.ts';

export interface StoreOptions {
  readonly dataDir?: string;
  readonly secretKeyFile?: string;
}

export const STORE_EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  'secrets rekey': [
    'gatehouse secrets rekey --data-dir /var/lib/gatehouse',
    'DATABASE_URL=postgres://… gatehouse secrets rekey --secret-key-file /etc/gatehouse/secret.key',
  ],
};

export function addSecrets(program: Command, env: NodeJS.ProcessEnv, done: (status: number) => void): void {
  const secrets = program.command('secrets').description('keys of the secrets in the store');
  withStoreOptions(secrets.command('rekey'))
    .description('encrypt all secrets of the store with another key, while gateways go on serving')
    .action(async (options: StoreOptions) => {
      const location = storeOfCommand(options, env);
      const result = await rekey(location, { actor: operator(), action: 'secrets.rekey' });
      if (!result.done)
        throw new UsageError([
          `the store uses the first of the given keys already (${result.inUse}): put a new one in front of it, where every gateway of this store can read both, and run this again`,
        ]);
      await writeText(
        `The secrets of ${result.gateways} gateway(s) are encrypted with key ${result.to} now; key ${result.from} is needed only for backups made before.\n`,
      );
      done(EXIT_OK);
    });
}

export function withStoreOptions(command: Command): Command {
  return command
    .option(
      '--data-dir <directory>',
      'folder of the store (default: that of serve; env: MCP_GATEWAY_DATA_DIR, DATABASE_URL)',
    )
    .option(
      '--secret-key-file <file>',
      'its key, where that is not in the folder (env: MCP_GATEWAY_SECRET_KEY_FILE, MCP_GATEWAY_SECRET_KEY)',
    );
}

/** Whoever may read key and database is nobody that the gateway knows: the system's name for the account has to do. */
export function operator(): Actor {
  return { subject: `system:${userInfo().username}`, user: undefined, requestId: undefined, address: undefined };
}
