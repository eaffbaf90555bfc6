/** API tokens in the management API. A token itself is shown once, in the answer that makes it. */
import { z } from 'zod';
import { emailSchema, permissionSchema } from './accounts.ts';
import { nameSchema, rowFields, timeSchema } from './common.ts';

const MAX_DAYS = 3_650;
const clock = z.string().regex(/^([01]\d|2[0-4]):[0-5]\d$/, 'must be HH:MM');

const hoursSchema = z
  .strictObject({
    timeZone: z.string().max(100).meta({ description: 'IANA name such as `Europe/Berlin`.' }),
    days: z.array(z.int().min(0).max(6)).min(1).max(7).meta({ description: '0 = Sunday to 6 = Saturday.' }),
    from: clock.meta({ description: 'Inclusive.' }),
    to: clock.meta({ description: 'Exclusive. Earlier than `from`: over midnight.' }),
  })
  .meta({ id: 'TokenHours', description: 'When the token may be used.' });

const scope = {
  permissions: z.array(permissionSchema).min(1).nullable().meta({
    description: 'What the token may be used for at most; null = whatever its user may do.',
  }),
  virtualServers: z
    .array(z.string().max(64))
    .min(1)
    .nullable()
    .meta({ description: 'Ids of the virtual servers that it is confined to; null = not confined.' }),
  teams: z.array(z.string().max(64)).nullable().meta({ description: "Ids of teams; null = all of its user's." }),
  addresses: z
    .array(z.string().max(100))
    .min(1)
    .nullable()
    .meta({ description: 'Addresses or ranges such as `10.0.0.0/8` that it may be used from; null = any.' }),
  hours: hoursSchema.nullable(),
};

export const tokenInput = z
  .strictObject({
    name: nameSchema,
    user: emailSchema.optional().meta({ description: 'Whose token it is. Default: the caller.' }),
    permissions: scope.permissions.default(null),
    virtualServers: scope.virtualServers.default(null),
    teams: scope.teams.default(null),
    addresses: scope.addresses.default(null),
    hours: scope.hours.default(null),
    expiresAt: timeSchema.optional().meta({ description: 'When it ends. Default: never.' }),
    expiresInDays: z.int().min(1).max(MAX_DAYS).optional().meta({ description: 'Instead of `expiresAt`.' }),
  })
  .meta({ id: 'TokenInput' });

export const tokenChange = z.strictObject({ name: nameSchema }).meta({ id: 'TokenChange' });

const tokenFields = {
  ...rowFields,
  name: z.string(),
  user: z.string(),
  prefix: z.string().meta({ description: 'The first characters of the token, to tell it from others.' }),
  permissions: z.array(z.string()).nullable(),
  virtualServers: z.array(z.string()).nullable(),
  teams: z.array(z.string()).nullable(),
  addresses: z.array(z.string()).nullable(),
  hours: hoursSchema.nullable(),
  expiresAt: timeSchema.nullable(),
  lastUsedAt: timeSchema.nullable().meta({ description: 'Up to a minute late.' }),
  revokedAt: timeSchema.nullable(),
  active: z.boolean().meta({ description: 'False once it is revoked or has ended.' }),
};

export const tokenSchema = z.object(tokenFields).meta({ id: 'Token' });
export const mintedTokenSchema = z
  .object({ ...tokenFields, token: z.string().meta({ description: 'The token. It is shown this once.' }) })
  .meta({ id: 'MintedToken' });

export const revocationInput = z
  .strictObject({
    jti: z.string().min(1).max(512).meta({ description: 'The `jti` claim of the JWT.' }),
    expiresAt: timeSchema
      .optional()
      .meta({ description: 'When the JWT ends anyway; the revocation is forgotten then. Default: never.' }),
  })
  .meta({ id: 'RevocationInput' });
export const revocationSchema = z
  .object({ jti: z.string(), expiresAt: timeSchema.nullable() })
  .meta({ id: 'Revocation' });

export type TokenInput = z.output<typeof tokenInput>;
