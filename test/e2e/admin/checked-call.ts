/** Calls the management API, and fails when an answer is not what the route has promised. */
import { expect } from 'vitest';
import { problemSchema } from '../../../src/admin/http/problem.ts';
import { errorCodesOf } from '../../../src/admin/openapi/document.ts';
import { Router } from '../../../src/admin/http/router.ts';
import { ROUTES } from '../../../src/admin/routes/table.ts';
import type { Answered, ManagedGateway } from '../../rig/managed-gateway.ts';

const router = new Router(ROUTES);

export type CheckedCall = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
) => Promise<Answered>;

/** As the user of the token; by default as the one who may do everything. */
export function checkedCalls(gateway: ManagedGateway, token = gateway.token): CheckedCall {
  return async (method, path, body, headers = {}) => {
    const answer = await gateway.call(method, path, body, { authorization: `Bearer ${token}`, ...headers });
    const match = router.match(method, path.split('?')[0] ?? '');
    if (match === undefined || !('route' in match)) return answer;
    const contract = match.route.answers[answer.status];
    if (contract !== undefined) {
      const checked = contract.schema?.safeParse(answer.body);
      expect(checked?.error?.issues ?? [], `${method} ${path} ${answer.status}`).toEqual([]);
    } else if (answer.status !== 304) {
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
      expect(problemSchema.safeParse(answer.body).error?.issues ?? [], JSON.stringify(answer.body)).toEqual([]);
      // What the OpenAPI document does not name must not happen.
      expect(errorCodesOf(match.route), `${method} ${path}`).toContain(answer.body['code']);
    }
    return answer;
  };
}

/** What a list answers with. */
export interface Listed {
  readonly items: readonly (Readonly<Record<string, unknown>> & { readonly id: string })[];
  readonly nextCursor?: string;
}
