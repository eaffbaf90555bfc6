/** The events of the management API. */
import { z } from 'zod';
import { timeSchema } from './common.ts';

/** The `data` of one event of the stream. */
export const eventSchema = z
  .object({
    type: z.string().meta({
      description: 'An action of the audit log such as `server.create`, or `health`, or `reload`.',
    }),
    at: timeSchema,
    object: z.object({ kind: z.string(), id: z.string(), name: z.string().nullable() }).nullable(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'Event' });
