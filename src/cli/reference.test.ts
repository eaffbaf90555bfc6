import { expect, it } from 'vitest';
import { renderReference } from './reference.ts';
import { SERVE_FLAGS } from './serve/flags.ts';

it('has every command, every flag with its variable, and the exit status', () => {
  const page = renderReference();
  for (const command of ['serve', 'validate', 'schema', 'version']) expect(page).toContain(`## ${command}\n`);
  for (const flag of SERVE_FLAGS) expect(page).toContain(`| \`${flag.flags.replaceAll('|', '\\|')}\` |`);
  expect(page).toContain('| `MCP_GATEWAY_SHUTDOWN_TIMEOUT` | 5s |');
  expect(page).toContain('| 1 | anything else');
  expect(page).toContain('gatehouse validate - < config.json');
});
