/** What many objects of the management API have in common. */
import { z } from 'zod';

export const idSchema = z.string().min(1).max(200).meta({ description: 'Id, or name where names are unique.' });

/** Names that stand in paths and in configurations. */
export const nameSchema = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[^\p{Cc}\p{Cf}]*\S[^\p{Cc}\p{Cf}]*$/u, 'holds control characters or nothing but spaces')
  .transform((name) => name.trim());

export const descriptionSchema = z.string().max(8_192);

export const tagsSchema = z
  .array(
    z
      .string()
      .min(1)
      .max(50)
      .regex(/^[^\p{Cc}]*$/u, 'holds control characters'),
  )
  .max(50)
  .transform((tags) => [...new Set(tags)]);

export const visibilitySchema = z.enum(['private', 'team', 'public']).meta({
  id: 'Visibility',
  description: '`private`: its owner. `team`: the members of its team. `public`: everybody who is authenticated.',
});

/** Who may know of an object, as the API shows it. */
export const accessFields = {
  visibility: visibilitySchema,
  owner: z.string().nullable().meta({ description: 'Email address; null for what a file owns.' }),
  team: z.string().nullable().meta({ description: 'Id of the team; null for none.' }),
};

/** The same as somebody writes it. */
export const accessInput = {
  visibility: visibilitySchema.optional().meta({ description: 'Default: `private`, or `team` when a team is given.' }),
  owner: z.string().max(320).toLowerCase().optional().meta({
    description: 'Email address. Default: the caller. Another one only with `visibility.all`.',
  }),
  team: z.string().max(64).nullable().optional().meta({ description: 'Id of the team.' }),
};

/** Times are ISO 8601 with milliseconds, in UTC. */
export const timeSchema = z.iso.datetime();

export const rowFields = {
  id: z.string().meta({ description: 'Stays the same for as long as the object exists.' }),
  createdAt: timeSchema,
  updatedAt: timeSchema,
};

export const stateInput = z
  .strictObject({ enabled: z.boolean() })
  .meta({ id: 'StateInput', description: 'Switches an object on or off.' });

/** `?activate=true`, as ContextForge writes it; a body says the same. */
export const activateQuery = {
  activate: z
    .enum(['true', 'false'])
    .transform((value) => value === 'true')
    .optional()
    .meta({ description: 'The same as the body, for clients of ContextForge.' }),
};
