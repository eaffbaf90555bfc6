/** Every route of the management API. What is not in this table cannot be reached. */
import type { Route } from '../http/route.ts';
import { ITEM_ROUTES } from './items.ts';
import { VIRTUAL_SERVER_ROUTES } from './virtual-servers.ts';

export const ROUTES: readonly Route[] = [...VIRTUAL_SERVER_ROUTES, ...ITEM_ROUTES];
