/** Schema of `gateway.auth`: whose JWTs are accepted. What depends on several fields is in `build/auth.ts`. */
import * as z from 'zod';
import { JWT_ALGORITHMS } from '../auth-config.ts';
import { DURATION } from '../values/duration.ts';
import { field } from './field.ts';
import { text, textList } from './shapes.ts';

const httpUrl = z.string().regex(/^https?:\/\/[^/?#@\s]+(?:\/[^?#\s]*)?$/);

const issuerSchema = z.strictObject({
  issuer: field(text, {
    description:
      'The `iss` of the tokens, to the letter. Without keys below it must be a URL: they are then found by its metadata.',
    expects: 'a non-empty string',
    hint: 'Write what stands in the tokens, such as "https://login.example.com/realms/main".',
  }),
  audience: field(textList.min(1), {
    description: 'Values of `aud` that are accepted beside the URL of the gateway and those of its endpoints.',
    expects: 'a non-empty array of non-empty strings',
    fallback: 'none',
  }).optional(),
  algorithms: field(z.array(field(z.enum(JWT_ALGORITHMS), { description: 'One algorithm.' })).min(1), {
    description: `Signatures that are accepted, of ${JWT_ALGORITHMS.join(', ')}. Never more than fit the keys.`,
    expects: `an array of ${JWT_ALGORITHMS.map((name) => `"${name}"`).join(', ')}`,
    fallback: 'those that fit the keys',
  }).optional(),
  secret: field(z.string().min(32), {
    description: 'Shared secret for HS256, of at least 32 characters. Best given as `${VARIABLE}`.',
    expects: 'a string of at least 32 characters',
    hint: 'Make one with "openssl rand -hex 32" and give it through a variable.',
    secret: true,
  }).optional(),
  publicKeys: field(textList.min(1), {
    description: 'Public keys (RSA, P-256 or Ed25519): each the path of a PEM file, or the PEM text.',
    expects: 'a non-empty array of paths or PEM texts',
  }).optional(),
  jwksUrl: field(httpUrl, {
    description: 'Where the issuer publishes its keys.',
    expects: 'an http or https URL',
    fallback: 'as the metadata of the issuer say',
  }).optional(),
  userClaim: field(text, {
    description: 'Claim with the email address of the user; a dot leads into an object.',
    expects: 'the name of a claim',
    fallback: '`email`',
  }).optional(),
  rolesClaim: field(text, {
    description: 'Claim with names of roles, such as `realm_access.roles`.',
    expects: 'the name of a claim',
    fallback: 'tokens give no roles',
  }).optional(),
  roles: field(textList, {
    description: 'Roles of everybody who has a token of this issuer.',
    expects: 'an array of role names',
    fallback: 'none: users have the roles that the store gives them',
  }).optional(),
  scopes: field(z.enum(['narrow', 'ignore']), {
    description:
      '`narrow`: a `scope` claim leaves only the permissions that it names. `ignore`: it means nothing here.',
    fallback: '`narrow`',
  }).optional(),
});

export const authSchema = z.strictObject({
  resource: field(httpUrl, {
    description:
      'URL under which clients reach the gateway: its name as an OAuth resource, and the audience of tokens.',
    expects: 'an http or https URL',
    hint: 'Write for example "https://gateway.example.com", without a path unless a proxy adds one.',
    fallback: 'the URL that clients are told at the start',
  }).optional(),
  offlineGrace: field(z.string().regex(DURATION), {
    description:
      'How long tokens that were verified before are accepted while the store does not answer, and nobody can be locked out. A duration; `0s` refuses them with the next look, after 15 s at most.',
    expects: 'a duration such as "30m" or "0s"',
    hint: 'Write numbers with units: "0s", "15m", "4h".',
    fallback: '`1h`',
  }).optional(),
  issuers: field(
    z.array(field(issuerSchema, { description: 'One issuer.', expects: 'an object with at least an issuer' })),
    {
      description: 'Issuers whose JWTs are accepted.',
      expects: 'an array of objects',
      fallback: 'none: no JWT is accepted',
    },
  ).optional(),
});

export type RawAuth = z.output<typeof authSchema>;
export type RawIssuer = z.output<typeof issuerSchema>;
