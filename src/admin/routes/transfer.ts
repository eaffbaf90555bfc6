/** `/export` and `/import`: everything that is managed, as one document. */
import { z } from 'zod';
import { importResultSchema, TRANSFER_PARTS, transferSchema, type ImportResult } from '../contract/transfer.ts';
import { keepingAnAdmin } from '../escalation.ts';
import { invalidInput } from '../http/problem.ts';
import { route, type Route } from '../http/route.ts';
import { planRoles, planTeams, planUsers } from '../transfer/accounts.ts';
import { exportAll } from '../transfer/export.ts';
import { planGateways, planItems, planVirtualServers } from '../transfer/objects.ts';
import { Plan } from '../transfer/plan.ts';

const TAG = 'Export and import';
const MAX_BYTES = 32 * 1024 * 1024;
const flag = z.enum(['true', 'false']).transform((value) => value === 'true');

export const TRANSFER_ROUTES: readonly Route[] = [
  route({
    action: 'config.export',
    method: 'GET',
    path: '/export',
    requires: { permission: 'config.export' },
    tag: TAG,
    summary: 'Everything that is managed, as one document',
    description:
      'What the caller does not see is left out, and so are accounts without the permission to read them. Tokens and the audit log are never in it. Secrets are masked unless `secrets=true`, which needs `config.export-secrets` and is noted in the audit log.',
    query: {
      parts: z
        .string()
        .max(200)
        .optional()
        .meta({ description: `Some of ${TRANSFER_PARTS.join(', ')}, with commas between them. Default: all.` }),
      secrets: flag.default(false).meta({ description: 'Secrets as they are, instead of masks.' }),
    },
    answers: { 200: { description: 'The document; it can be imported as it is.', schema: transferSchema } },
    errors: ['storage_full'],
    async handle(call) {
      const { secrets, parts } = call.query;
      if (secrets) call.need('config.export-secrets');
      const document = await exportAll(call, { secrets, parts: partsOf(parts) });
      if (!secrets) return { body: document };
      // Whoever takes secrets away leaves a trace.
      return call.change(
        async () => ({
          result: document,
          object: { kind: 'export', id: 'secrets', name: undefined },
          before: undefined,
          after: { gateways: document.gateways?.map(({ name }) => name) ?? [] },
        }),
        (body) => ({ body }),
      );
    },
  }),
  route({
    action: 'config.import',
    method: 'POST',
    path: '/import',
    requires: { permission: 'config.write' },
    tag: TAG,
    summary: 'Imports a document that was exported',
    description:
      'All of it or nothing: in one transaction, after everything has been checked. Beside `config.write` each object needs the permission that making it alone would need. Servers are reached afterwards, as after a start.',
    query: {
      dryRun: flag.default(false).meta({ description: 'Only says what would be done.' }),
      onConflict: z
        .enum(['skip', 'update', 'fail'])
        .default('fail')
        .meta({ description: 'What becomes of objects that are there under the same name and are different.' }),
    },
    body: transferSchema,
    maxBodyBytes: MAX_BYTES,
    answers: { 200: { description: 'What was done, or would be.', schema: importResultSchema } },
    errors: ['already_exists', 'refused_by_state'],
    idempotent: true,
    async handle(call) {
      const { dryRun, onConflict } = call.query;
      const plan = new Plan(call, call.body, onConflict);
      await planRoles(plan);
      await planUsers(plan);
      await planTeams(plan);
      await planGateways(plan);
      await planVirtualServers(plan);
      await planItems(plan);
      plan.throwErrors();
      const result: ImportResult = { dryRun, ...plan.result };
      if (dryRun) return { body: result };
      const answer = await call.change(
        (tx) =>
          keepingAnAdmin(tx, async () => {
            const parts = await plan.apply(tx);
            return {
              result: undefined,
              object: { kind: 'import', id: call.requestId, name: undefined },
              before: undefined,
              after: result,
              parts,
            };
          }),
        () => ({ body: result }),
      );
      await call.context.apply();
      return answer;
    },
  }),
];

function partsOf(text: string | undefined): ReadonlySet<(typeof TRANSFER_PARTS)[number]> {
  if (text === undefined) return new Set(TRANSFER_PARTS);
  const names = text.split(',').map((name) => name.trim());
  const parts = TRANSFER_PARTS.filter((part) => names.includes(part));
  if (parts.length === names.length) return new Set(parts);
  throw invalidInput([
    { parameter: 'parts', detail: 'has a name that is no part', remedy: `Use some of ${TRANSFER_PARTS.join(', ')}.` },
  ]);
}
