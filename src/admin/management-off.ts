/** Stands in for the management API where there is no store: says how to get one. */
import type { ServerResponse } from 'node:http';
import { ERRORS, GatewayError } from '../shared/errors.ts';
import { respondProblem } from './http/respond.ts';
import type { Route } from './http/route.ts';
import { ownedPaths } from './http/router.ts';
import type { ManagementRequest } from './management-api.ts';

export interface ManagementOff {
  owns(path: string): boolean;
  handle(request: ManagementRequest): Promise<void>;
  refuse(response: ServerResponse, failure: GatewayError, requestId: string): void;
}

export function createManagementOff(routes: readonly Route[]): ManagementOff {
  return {
    owns: ownedPaths(routes),
    handle: async ({ response, requestId }) =>
      respondProblem(response, new GatewayError('management_off', ERRORS.management_off.meaning), requestId),
    refuse: respondProblem,
  };
}
