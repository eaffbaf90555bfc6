/** Every route of the management API. What is not in this table cannot be reached. */
import type { Route } from '../http/route.ts';
import { GATEWAY_ROUTES } from './gateways.ts';
import { VIRTUAL_SERVER_ROUTES } from './virtual-servers.ts';

export const ROUTES: readonly Route[] = [...GATEWAY_ROUTES, ...VIRTUAL_SERVER_ROUTES];
