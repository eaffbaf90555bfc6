/** Schema of the whole document, seen from the outside in. */
import * as z from 'zod';
import { field } from './field.ts';
import { gatewaySchema } from './gateway.ts';
import { anyServerSchema } from './server.ts';

/** The fields of the document. Parts are checked one by one, so that a fault in one never hides those of another. */
export const documentSchema = z.strictObject({
  servers: field(z.record(z.string(), anyServerSchema), {
    description: 'The servers, by name.',
    expects: 'an object of servers',
  }),
  gateway: field(gatewaySchema, {
    description: 'The gateway itself. In JSON it is required.',
    expects: 'an object',
  }).optional(),
  customSchemas: field(z.record(z.string(), z.string()), {
    description: 'Custom server types: the https address of the JSON Schema that checks them, or "" for no check.',
    expects: 'an object of https URLs',
  }).optional(),
  guards: field(z.record(z.string(), z.unknown()), {
    description: 'Refused: this version has no guards.',
    expects: 'an object',
  }).optional(),
});
