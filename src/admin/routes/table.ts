/** Every route of the management API. What is not in this table cannot be reached. */
import type { Route } from '../http/route.ts';
import { aboutRoutes } from './about.ts';
import { AUDIT_ROUTES } from './audit.ts';
import { EVENT_ROUTES } from './events.ts';
import { GATEWAY_ROUTES } from './gateways.ts';
import { ITEM_ROUTES } from './items.ts';
import { OPERATION_ROUTES } from './operations.ts';
import { ROLE_ROUTES } from './roles.ts';
import { TEAM_ROUTES } from './teams.ts';
import { TOKEN_ROUTES } from './tokens.ts';
import { TRANSFER_ROUTES } from './transfer.ts';
import { USER_ROUTES } from './users.ts';
import { VIRTUAL_SERVER_ROUTES } from './virtual-servers.ts';

export const ROUTES: readonly Route[] = [
  ...GATEWAY_ROUTES,
  ...VIRTUAL_SERVER_ROUTES,
  ...ITEM_ROUTES,
  ...TOKEN_ROUTES,
  ...USER_ROUTES,
  ...TEAM_ROUTES,
  ...ROLE_ROUTES,
  ...TRANSFER_ROUTES,
  ...EVENT_ROUTES,
  ...OPERATION_ROUTES,
  ...AUDIT_ROUTES,
  ...aboutRoutes(() => ROUTES),
];
