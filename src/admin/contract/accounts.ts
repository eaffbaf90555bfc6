/** Users, teams and roles in the management API. */
import { z } from 'zod';
import { PERMISSIONS } from '../../auth/permissions.ts';
import { descriptionSchema, nameSchema, rowFields } from './common.ts';

export const emailSchema = z
  .string()
  .min(3)
  .max(320)
  .regex(/^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u, 'is no email address')
  .toLowerCase()
  .meta({ description: 'Email address; upper case and lower case are the same.' });

const fullName = z.string().min(1).max(200).nullable();

export const userInput = z
  .strictObject({
    email: emailSchema,
    fullName: fullName.default(null),
    enabled: z.boolean().default(true),
  })
  .meta({ id: 'UserInput' });

export const userChange = z
  .strictObject({ fullName, enabled: z.boolean() })
  .partial()
  .meta({ id: 'UserChange', description: 'What is left out stays as it is.' });

export const userSchema = z
  .object({
    ...rowFields,
    email: z.string(),
    fullName: z.string().nullable(),
    enabled: z.boolean().meta({ description: 'Who is disabled cannot call anything, whatever token he has.' }),
  })
  .meta({ id: 'User' });

export const teamInput = z
  .strictObject({ name: nameSchema, description: descriptionSchema.nullable().default(null) })
  .meta({ id: 'TeamInput' });
export const teamChange = z
  .strictObject({ name: nameSchema, description: descriptionSchema.nullable() })
  .partial()
  .meta({ id: 'TeamChange', description: 'What is left out stays as it is.' });

export const teamSchema = z
  .object({ ...rowFields, name: z.string(), description: z.string().nullable() })
  .meta({ id: 'Team' });

const memberRole = z.enum(['member', 'owner']).meta({ description: 'Owners may change the team and its members.' });
export const memberInput = z.strictObject({ role: memberRole.default('member') }).meta({ id: 'MemberInput' });
export const memberSchema = z.object({ user: z.string(), role: memberRole }).meta({ id: 'Member' });

export const permissionSchema = z
  .enum(Object.keys(PERMISSIONS) as [keyof typeof PERMISSIONS])
  .meta({ id: 'Permission', description: 'See docs/reference/permissions.md.' });

const roleName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,62}$/, 'must begin with a letter and have lower-case letters, digits, "_" and "-"');

export const roleInput = z
  .strictObject({
    name: roleName,
    description: descriptionSchema.nullable().default(null),
    permissions: z.array(permissionSchema).min(1),
  })
  .meta({ id: 'RoleInput' });
export const roleChange = z
  .strictObject({ description: descriptionSchema.nullable(), permissions: z.array(permissionSchema).min(1) })
  .partial()
  .meta({ id: 'RoleChange', description: 'What is left out stays as it is.' });

const given = z.object({
  user: z.string(),
  team: z.string().nullable().meta({ description: 'The role holds for this team only; null = everywhere.' }),
});

export const roleSchema = z
  .object({
    name: z.string(),
    description: z.string().nullable(),
    permissions: z.array(z.string()),
    builtIn: z.boolean().meta({ description: 'Comes with the product and cannot be changed.' }),
    givenTo: z.array(given).optional().meta({ description: 'Only where a single role is shown.' }),
  })
  .meta({ id: 'Role' });

export const givenRoleSchema = z.object({ role: z.string(), team: z.string().nullable() }).meta({ id: 'GivenRole' });
