/** Which values of the environment no log may hold, and which it must. */
import { expect, it } from 'vitest';
import { environmentSecrets } from './config-secrets.ts';

it('variables that are named like secrets are secrets, and paths of the shell are none', () => {
  const env = {
    GITHUB_TOKEN: 'a-token',
    DB_PWD: 'a-password',
    PWD: '/srv/gatehouse',
    OLDPWD: '/root',
    MCP_GATEWAY_TLS_KEY: '/etc/gatehouse/server.key',
    HOME: '/root',
  };
  expect(environmentSecrets(env)).toEqual(['a-token', 'a-password']);
});
